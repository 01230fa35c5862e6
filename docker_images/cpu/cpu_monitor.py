"""The monitor of vendor cpu: what the processors do, and what Linux tells of their power, temperature and frequency.

Power comes from RAPL's counters (readable by root only on most systems), temperature from the processors' sensors, frequency
from cpufreq; a virtual machine usually has none of them, and what it does not have is not reported.
"""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.monitoring.base import DeviceReading, Monitor, main
from utils.sys_monitor import SystemReader

SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


class Rapl:
    """Watts of all processor packages, from the energy they used since the reading before (so the first has none).

    Source: https://docs.kernel.org/power/powercap/powercap.html
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
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
        packages = [zone for zone in sorted(self._folder.glob("intel-rapl:*")) if _text(zone / "name").startswith("package")]
        energies = {package: _number(package / "energy_uj") for package in packages}
        return {package: int(energy) for package, energy in energies.items() if energy is not None}


class CpuReader:
    """Reads the machine's processors as one device; `proc` and `sys_folder` are /proc and /sys."""

    def __init__(self, proc: Path = Path("/proc"), sys_folder: Path = Path("/sys")) -> None:
        self._system, self._sys = SystemReader(proc), sys_folder
        self._name = processor_name(proc)
        self._rapl = Rapl(sys_folder / "class/powercap", time.monotonic)

    def __call__(self) -> List[DeviceReading]:
        """Return one reading."""
        return [
            replace(
                reading,
                name=self._name,
                load_average=None,
                power_watts=self._rapl.watts(),
                temperature_celsius=self._hottest(),
                frequency_mhz=self._mean_frequency(),
            )
            for reading in self._system()
        ]

    def _hottest(self) -> Optional[float]:
        chips = [chip for chip in self._sys.glob("class/hwmon/hwmon*") if _text(chip / "name").strip() in SENSORS]
        millidegrees = _numbers(sensor for chip in chips for sensor in chip.glob("temp*_input"))
        return max(millidegrees) / 1000 if millidegrees else None

    def _mean_frequency(self) -> Optional[float]:
        kilohertz = _numbers(self._sys.glob("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"))
        return round(sum(kilohertz) / len(kilohertz) / 1000, 1) if kilohertz else None


def processor_name(proc: Path) -> str:
    """Return the processor's name as Linux has it; the architecture's where there is none (as on most ARM machines)."""
    names = [line.split(":", 1)[1].strip() for line in _text(proc / "cpuinfo").splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _used(package: Path, before: int, now: int) -> float:
    """Return joules between two readings of a counter that starts again from 0 at its range."""
    wrap = _number(package / "max_energy_range_uj") or 0
    return (now - before + (wrap if now < before else 0)) / 1e6


def _numbers(paths: Iterable[Path]) -> List[float]:
    return [number for number in map(_number, sorted(paths)) if number is not None]


def _number(path: Path) -> Optional[float]:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(Monitor("cpu", CpuReader())))
