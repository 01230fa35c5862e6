"""What a monitor reads of its devices, and what of it could not be read. Standard library only and Python 3.8, as base.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What a parser raises that meets a text it does not know."""


@dataclass(frozen=True)
class DeviceReading:
    """One reading of one device; None where the vendor's tool reports nothing.

    `throttled_percent` is 100 while the device slows itself down for heat or a lack of power, else 0. The last four are the
    host's, for the system monitor: the last minute's load, processor time that a hypervisor took, time in which some task waited
    for a processor, and swap in use.
    """

    index: int
    name: Optional[str] = None
    memory_used_bytes: Optional[float] = None
    memory_total_bytes: Optional[float] = None
    utilisation_percent: Optional[float] = None
    power_watts: Optional[float] = None
    temperature_celsius: Optional[float] = None
    frequency_mhz: Optional[float] = None
    throttled_percent: Optional[float] = None
    load_average: Optional[float] = None
    steal_percent: Optional[float] = None
    cpu_pressure_percent: Optional[float] = None
    swap_used_bytes: Optional[float] = None


class Readings(List[DeviceReading]):
    """The devices that were read, and a complaint for each row of the tool's output that was none."""

    def __init__(self, devices: Iterable[DeviceReading] = (), complaints: Iterable[str] = ()) -> None:
        super().__init__(devices)
        self.complaints: Tuple[str, ...] = tuple(complaints)


def complaints_of(readings: Sequence[DeviceReading]) -> Tuple[str, ...]:
    """The complaints among readings, which may also be a plain list, as of a monitor that knows nothing of rows."""
    return readings.complaints if isinstance(readings, Readings) else ()


Read = Callable[[], Sequence[DeviceReading]]
Parse = Callable[[str], Sequence[DeviceReading]]


def read_rows(rows: Iterable[str], read: Callable[[str], DeviceReading]) -> Readings:
    """Return what `read` makes of the rows: one that it cannot read, or that repeats a device, costs itself alone, since tools
    put their words on a lost card among the others' rows. Raises the first of UNREADABLE where there is no reading at all.
    """
    devices: Dict[int, DeviceReading] = {}
    complaints: List[str] = []
    first: Optional[Exception] = None
    for row in rows:
        try:
            reading = read(row)
        except UNREADABLE as error:
            first = first or error
            complaints.append(row.strip())
            continue
        if devices.setdefault(reading.index, reading) is not reading:
            complaints.append(row.strip())
    if first is not None and not devices:
        raise first
    return Readings(devices.values(), complaints)
