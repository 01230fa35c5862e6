"""psutil's functions that our monitors call, read from /proc and /sys: for a host whose own python3 has no psutil.

Names, fields and units are psutil's, so that the one stands in for the other; only the fields that are used are here.
Standard library and Python 3.8. Source: proc(5), https://docs.kernel.org/hwmon/sysfs-interface.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional

PROC, SYS = Path("/proc"), Path("/sys")


class ProcessorTimes(NamedTuple):
    """Seconds since the boot, all processors together; what guests of a hypervisor here used is in `user` and `nice`."""

    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float
    steal: float


class Memory(NamedTuple):
    """Bytes."""

    total: int
    available: int


class Swap(NamedTuple):
    """Bytes."""

    total: int
    used: int


class Frequency(NamedTuple):
    """The mean over the processors, in MHz."""

    current: float


class Temperature(NamedTuple):
    """Of one sensor, in Celsius."""

    current: float


def cpu_times(proc: Path = PROC) -> ProcessorTimes:
    """Return what the processors have done since the boot."""
    ticks = text(proc / "stat").splitlines()[0].split()[1:9]
    return ProcessorTimes(*(int(tick) / os.sysconf("SC_CLK_TCK") for tick in ticks))


def virtual_memory(proc: Path = PROC) -> Memory:
    """Return how much memory there is and can be had without swapping."""
    sizes = _meminfo(proc)
    return Memory(sizes["MemTotal"], sizes["MemAvailable"])


def swap_memory(proc: Path = PROC) -> Swap:
    """Return how much swap there is and is used."""
    sizes = _meminfo(proc)
    return Swap(sizes["SwapTotal"], sizes["SwapTotal"] - sizes["SwapFree"])


def cpu_freq(proc: Path = PROC, sys: Path = SYS) -> Optional[Frequency]:
    """Return the processors' frequency, as /proc/cpuinfo (x86) or cpufreq (others) has it; None where neither does."""
    lines = text(proc / "cpuinfo").splitlines()
    megahertz = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    kilohertz = numbers(sys.glob("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")) if not megahertz else []
    found = megahertz or [value / 1000 for value in kilohertz]
    return Frequency(sum(found) / len(found)) if found else None


def sensors_temperatures(sys: Path = SYS) -> Dict[str, List[Temperature]]:
    """Return the sensors of each chip that has some, by the chip's name."""
    found: Dict[str, List[Temperature]] = {}
    for chip in sorted(sys.glob("class/hwmon/hwmon*")):
        millidegrees = numbers(chip.glob("temp*_input"))
        if millidegrees:
            found.setdefault(text(chip / "name").strip(), []).extend(Temperature(value / 1000) for value in millidegrees)
    return found


def text(path: Path) -> str:
    """Return a file's text, an empty one for a file that cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def number(path: Path) -> Optional[float]:
    """Return the number that a file holds; None where it holds none, or may not be read."""
    try:
        return float(text(path))
    except ValueError:
        return None


def numbers(paths: Iterable[Path]) -> List[float]:
    """Return the numbers of those files that hold one."""
    return [value for value in map(number, sorted(paths)) if value is not None]


def _meminfo(proc: Path) -> Dict[str, int]:
    lines = text(proc / "meminfo").splitlines()
    return {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}
