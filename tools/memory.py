"""Peak memory of this process between two moments, as the kernel counts it; None where the kernel does not."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak resident memory since this object was made; children (a data loader's workers) are not in it.

    Where the kernel lets its high-water mark be reset (Linux, `clear_refs`), that mark; elsewhere the process's own
    mark if it rose meanwhile, otherwise the larger of the memory at the beginning and at the end.
    """

    def __init__(self) -> None:
        self._exact = _reset_high_water_mark()
        self._mark = _lifetime_peak()
        self._began = status_bytes("VmRSS")

    def peak_bytes(self) -> Optional[int]:
        """The peak up to now."""
        if self._exact:
            return status_bytes("VmHWM")
        mark = _lifetime_peak()
        ends = [size for size in (self._began, status_bytes("VmRSS")) if size is not None]
        return mark if mark > self._mark or not ends else max(ends)


@contextmanager
def bounded_memory(most: Optional[int]) -> Iterator[None]:
    """Refuse this process, and what it starts, more than `most` bytes beyond what it has: an allocation that fails is an error
    that can be told, where the kernel would kill. None, or a kernel that does not count: no bound.

    What counts is private memory that can be written to (RLIMIT_DATA), not address space, of which runtimes reserve far more.
    Source: getrlimit(2), Linux 4.7 and later.
    """
    before, now = resource.getrlimit(resource.RLIMIT_DATA), status_bytes("VmData")
    if most is None or now is None:
        yield
        return
    known = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([now + most, *known]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def status_bytes(key: str) -> Optional[int]:
    """A size from /proc/self/status (`VmHWM`, `VmRSS`)."""
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return None


def _reset_high_water_mark() -> bool:
    """Source: proc(5), clear_refs: writing 5 resets the peak resident set size."""
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _lifetime_peak() -> int:
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
