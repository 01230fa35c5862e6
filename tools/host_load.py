"""Whether the machine was this process's own while it measured: stolen time, other processes, waiting, and room in memory."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

from tools.contract import Reason

MOST_STOLEN = 0.02
MOST_FOREIGN = 0.10
MOST_WAITING = 0.25
"""Shares of the processors' time beyond which the host counts as loaded. Monitors and the display of run.py take some 2 %;
waiting (pressure) is also what a process with more threads than processors does to itself."""

LEAST_ROOM = 0.05
"""The share of its memory limit that a process must leave free."""

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")
_GROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
"""Limit, use and its parts, as control groups of version 2 and 1 have them."""

_RECLAIMABLE = ("active_file", "inactive_file")
"""What only caches files, which the kernel gives up before it kills."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Seconds since boot over all processors, by whom; `waiting` the seconds in which some task waited for a processor."""

    wall: float
    busy: float
    stolen: float
    own: float
    waiting: Optional[float]


def usage(proc: Path = _PROC) -> Optional[Usage]:
    """What the processors have done up to now; None where the kernel does not say. Source: proc(5), /proc/stat."""
    try:
        first = (proc / "stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    except (OSError, IndexError):
        return None
    user, nice, system, _, _, irq, softirq, stolen = (int(ticks) / _TICKS for ticks in first[:8])
    return Usage(time.monotonic(), user + nice + system + irq + softirq, stolen, _own_seconds(proc), _waiting(proc))


def load_doubts(before: Optional[Usage], after: Optional[Usage], processors: Optional[int] = None) -> List[Reason]:
    """Doubts of what was measured between two moments, for the load that others made."""
    if before is None or after is None or after.wall <= before.wall:
        return []
    seconds = after.wall - before.wall
    capacity = seconds * (processors or os.cpu_count() or 1)
    stolen = (after.stolen - before.stolen) / capacity
    foreign = max(0.0, (after.busy - before.busy) - (after.own - before.own)) / capacity
    found = []
    if stolen > MOST_STOLEN:
        text = "the hypervisor took {:.1f} % of the processors' time away; use a machine of your own"
        found.append(Reason("loaded host", text.format(100 * stolen)))
    if foreign > MOST_FOREIGN:
        text = "other processes used {:.1f} % of the processors' time; stop them, or take another host"
        found.append(Reason("loaded host", text.format(100 * foreign)))
    elif after.waiting is not None and before.waiting is not None and (after.waiting - before.waiting) / seconds > MOST_WAITING:
        text = "tasks waited for a processor {:.0f} % of the time; lower threads or num_workers, or stop what else runs"
        found.append(Reason("loaded host", text.format(100 * (after.waiting - before.waiting) / seconds)))
    return found


def memory_doubts(peak_bytes: Optional[int], cgroup: Path = _CGROUP) -> List[Reason]:
    """The doubt that this process came near its memory limit, where the system swaps or reclaims instead of computing."""
    limit = memory_limit(cgroup)
    if limit is None or peak_bytes is None or peak_bytes < (1 - LEAST_ROOM) * limit:
        return []
    text = "memory peaked at {:.2f} of {:.2f} GiB, the limit; lower batch_size or raise the limit"
    return [Reason("memory", text.format(peak_bytes / 2**30, limit / 2**30))]


def memory_limit(cgroup: Path = _CGROUP) -> Optional[int]:
    """The container's memory limit in bytes, of either version of control groups; the machine's memory where there is none."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name, _, _ in _GROUP_FILES:
        text = _text(cgroup / name).strip()
        if text.isdigit():
            return min(int(text), machine)
    return machine


def memory_left(cgroup: Path = _CGROUP, proc: Path = _PROC) -> Optional[int]:
    """The bytes that this process can still get: what the machine has available, or less where its control group's limit leaves
    less; None where the kernel tells neither."""
    found = [int(value.split()[0]) << 10 for name, value in _pairs(proc / "meminfo") if name == "MemAvailable:"]
    for limit_file, use_file, parts_file in _GROUP_FILES:
        limit, use = _text(cgroup / limit_file).strip(), _text(cgroup / use_file).strip()
        if limit.isdigit() and use.isdigit():
            cached = sum(int(value) for name, value in _pairs(cgroup / parts_file) if name in _RECLAIMABLE)
            found.append(max(0, int(limit) - int(use) + cached))
            break
    return min(found, default=None)


def _pairs(path: Path) -> List[Tuple[str, str]]:
    """The lines of a file of names and values."""
    parts = (line.partition(" ") for line in _text(path).splitlines())
    return [(name, value.strip()) for name, _, value in parts]


def _text(path: Path) -> str:
    """What is in a file of the kernel's; nothing where there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _waiting(proc: Path) -> Optional[float]:
    """Seconds with some task waiting for a processor. Source: the kernel's Documentation/accounting/psi.rst."""
    try:
        first = (proc / "pressure" / "cpu").read_text(encoding="ascii").split("\n", 1)[0]
        return int(first.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None


def _own_seconds(proc: Path) -> float:
    """Processor seconds of this process and all it started, ended children included."""
    family: Set[int] = {os.getpid()}
    stats = _stats(proc)
    while True:
        found = {pid for pid, fields in stats.items() if int(fields[1]) in family} - family
        if not found:
            break
        family |= found
    # utime, stime, and those of the children waited for; the fields count from the state, number 3 in proc(5)
    return sum(sum(int(ticks) for ticks in stats[pid][11:15]) for pid in family if pid in stats) / _TICKS


def _stats(proc: Path) -> Dict[int, List[str]]:
    """The fields of /proc/<pid>/stat behind the name, which may hold blanks and brackets, by process."""
    found: Dict[int, List[str]] = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="ascii", errors="replace")
            except OSError:  # it ended meanwhile
                continue
            found[int(folder.name)] = text.rpartition(")")[2].split()
    return found
