"""What a monitor's log says once it is read: values only. Seconds since the epoch, bytes, watts, Celsius, 0..100 percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean and extremes of one quantity over the readings that reported it."""

    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Series:
    """A quantity over time for one device, thinned for plotting: at most some 500 points."""

    name: str
    unit: str
    device: str
    times: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class MonitorSummary:
    """One monitor's log, its statistics over the window that was asked for. None where the tool reports nothing.

    Memory, power and energy are sums over the devices that report them; utilisation, temperature and frequency are spread over
    all devices' readings. `chip` is the device's name as the tool prints it (None where the devices differ), `peak_flops` that
    of ONE device per precision, dense, `peak_bytes_per_second` its memory's, `peak_source` where they stand. `series` covers
    the whole log. `errors` is what a reader must know: the tool's own errors, lines that could not be read, an analysis that
    failed.
    `load_average` and the three after it are the system monitor's only, of the whole host.
    `elsewhere` is the chip on which the case says to have run where that is known to be none of these.
    `window` is the (start, stop) that the statistics count, in seconds since the epoch; None: the whole log.
    """

    monitor: str
    readings: int
    devices: Sequence[str] = ()
    chip: str | None = None
    memory_used_max_bytes: float | None = None
    memory_total_bytes: float | None = None
    utilisation_percent: Spread | None = None
    power_watts: Spread | None = None
    energy_joules: float | None = None
    temperature_celsius: Spread | None = None
    frequency_mhz: Spread | None = None
    load_average: Spread | None = None
    steal_percent: Spread | None = None
    cpu_pressure_percent: Spread | None = None
    swap_used_bytes: Spread | None = None
    peak_flops: dict[str, float] | None = None
    peak_bytes_per_second: float | None = None
    peak_source: str | None = None
    series: Sequence[Series] = ()
    errors: Sequence[str] = ()
    window: tuple[float, float] | None = None
    elsewhere: str | None = None
