"""The monitor of vendor cpu: what the processors do, and what Linux tells of their power, temperature and frequency.

psutil tells all but the power, which comes from RAPL's counters (readable by root only on most systems). A virtual machine
usually has neither power nor temperature, and its frequency is the nominal one; what a machine does not have is not reported.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.monitoring.base import DeviceReading, Monitor, main
from utils.monitoring.procfs import PROC, SYS, number, text
from utils.sys_monitor import MACHINE, SystemReader

SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


class Rapl:
    """Watts of all processor packages, from the energy they used since the reading before (so the first has none).

    Source: https://docs.kernel.org/power/powercap/powercap.html
    """

    def __init__(self, folder: Path = SYS / "class/powercap", clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._before: Optional[Tuple[float, Dict[Path, int]]] = None

    def watts(self) -> Optional[float]:
        """Return the power of all packages together; None where a counter may not be read."""
        now = (self._clock(), self._energies())
        before, self._before = self._before, now
        if before is None or not now[1] or before[1].keys() != now[1].keys() or now[0] <= before[0]:
            return None
        return round(
            sum(_used(package, before[1][package], energy) for package, energy in now[1].items()) / (now[0] - before[0]), 2
        )

    def _energies(self) -> Dict[Path, int]:
        packages = [zone for zone in sorted(self._folder.glob("intel-rapl:*")) if text(zone / "name").startswith("package")]
        energies = {package: number(package / "energy_uj") for package in packages}
        return {package: int(energy) for package, energy in energies.items() if energy is not None}


class CpuReader:
    """Reads this host's processors as one device; `machine` is psutil or what stands in for it."""

    def __init__(self, machine: Any = MACHINE, rapl: Optional[Rapl] = None) -> None:
        self._machine, self._system = machine, SystemReader(machine)
        self._name, self._rapl = processor_name(), rapl or Rapl()

    def __call__(self) -> List[DeviceReading]:
        """Return one reading."""
        return [
            DeviceReading(
                index=0,
                name=self._name,
                memory_used_bytes=host.memory_used_bytes,
                memory_total_bytes=host.memory_total_bytes,
                utilisation_percent=host.utilisation_percent,
                power_watts=self._rapl.watts(),
                temperature_celsius=hottest(self._machine),
                frequency_mhz=frequency(self._machine),
            )
            for host in self._system()
        ]


def hottest(machine: Any) -> Optional[float]:
    """Return the highest temperature of the processors' own sensors, in Celsius; None where there are none."""
    chips = machine.sensors_temperatures()
    return max((sensor.current for chip in SENSORS for sensor in chips.get(chip, ())), default=None)


def frequency(machine: Any) -> Optional[float]:
    """Return the processors' mean frequency in MHz; None where the machine does not tell."""
    try:
        mean = machine.cpu_freq()
    except (NotImplementedError, OSError, ValueError):  # psutil's words for cpufreq's files that are not all there
        return None
    return round(mean.current, 1) if mean else None


def processor_name(proc: Path = PROC) -> str:
    """Return the processor's name as Linux has it; the architecture's where there is none (as on most ARM machines)."""
    names = [line.split(":", 1)[1].strip() for line in text(proc / "cpuinfo").splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _used(package: Path, before: int, now: int) -> float:
    """Return joules between two readings of a counter that starts again from 0 at its range."""
    wrap = number(package / "max_energy_range_uj") or 0
    return (now - before + (wrap if now < before else 0)) / 1e6


if __name__ == "__main__":
    sys.exit(main(Monitor("cpu", CpuReader())))
