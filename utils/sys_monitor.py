"""The system monitor that runs beside every vendor's: the whole host's processors, memory, load, and who else wants them.

psutil tells it, or the same numbers from /proc where the host's own python3 has no psutil.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from utils.monitoring import procfs
from utils.monitoring.base import DeviceReading, Monitor, main

try:
    import psutil
except ImportError:
    MACHINE: Any = procfs
else:
    MACHINE = psutil

PRESSURE = Path("/proc/pressure/cpu")


class ProcessorShares:
    """What share of the processors' time was spent on what, in percent, since the reading before; the first has none."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self._before: Optional[Dict[str, float]] = None

    def __call__(self) -> Dict[str, float]:
        """Return the percentages by psutil's names (`idle`, `steal` …); empty where no time has passed."""
        times = self._machine.cpu_times()
        now = {name: getattr(times, name) for name in procfs.ProcessorTimes._fields}
        before, self._before = self._before, now
        if before is None:
            return {}
        spent = {name: max(0.0, now[name] - before[name]) for name in now}  # the kernel's idle and iowait may run backwards
        total = sum(spent.values())
        return {name: 100 * seconds / total for name, seconds in spent.items()} if total else {}


class CpuPressure:
    """The percentage of time in which some task waited for a processor, since the reading before; the first has none.

    Taken from the kernel's running total, as its averages over 10 s and more reach back to before a short measurement.
    Source: https://docs.kernel.org/accounting/psi.html
    """

    def __init__(self, path: Path = PRESSURE, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._before: Optional[Tuple[float, int]] = None

    def __call__(self) -> Optional[float]:
        """Return the percentage; None on a kernel that does not count it."""
        waited = [word[len("total=") :] for word in procfs.text(self._path).partition("\n")[0].split() if "total=" in word]
        if not waited:
            return None
        now = (self._clock(), int(waited[0]))
        before, self._before = self._before, now
        if before is None or now[0] <= before[0]:
            return None
        return _percent(100 * (now[1] - before[1]) / 1e6 / (now[0] - before[0]))


class SystemReader:
    """Reads this host; `machine` is psutil or what stands in for it.

    Utilisation is time that was neither idle nor waiting for a disk, so it includes what a hypervisor stole. Used memory is
    what is not available.
    """

    def __init__(self, machine: Any = MACHINE, pressure: Optional[CpuPressure] = None) -> None:
        self._machine = machine
        self._shares, self._pressure = ProcessorShares(machine), pressure or CpuPressure()

    def __call__(self) -> List[DeviceReading]:
        """Return one reading."""
        memory, swap, shares = self._machine.virtual_memory(), self._machine.swap_memory(), self._shares()
        return [
            DeviceReading(
                index=0,
                name=platform.node() or None,
                memory_used_bytes=memory.total - memory.available,
                memory_total_bytes=memory.total,
                utilisation_percent=_percent(100 - shares["idle"] - shares["iowait"]) if shares else None,
                load_average=os.getloadavg()[0],
                steal_percent=_percent(shares["steal"]) if shares else None,
                cpu_pressure_percent=self._pressure(),
                swap_used_bytes=swap.used if swap.total else None,
            )
        ]


def _percent(value: float) -> float:
    return round(min(100.0, max(0.0, value)), 1)


if __name__ == "__main__":
    sys.exit(main(Monitor("sys", SystemReader())))
