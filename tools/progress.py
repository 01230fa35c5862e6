"""Who is told how far the guest is: whoever runs the steps sets it, the measuring loop speaks to it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Iterator, Optional

from tools.contract import Progress

Sink = Callable[[Progress], None]

NANOSECONDS_BETWEEN = 500_000_000


def ignore(progress: Progress) -> None:
    """The sink that tells nobody."""
    del progress


_sink: ContextVar[Sink] = ContextVar("progress sink", default=ignore)


@contextmanager
def reported_to(sink: Sink) -> Iterator[None]:
    """Send what is reported inside to `sink`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def report(progress: Progress) -> None:
    """Tell the sink, now."""
    _sink.get()(progress)


class Throttle:
    """Reports one step's progress; whoever calls it waits until `due_ns`, so that the loop pays one comparison per batch."""

    __slots__ = ("_sink", "_step", "_total", "_unit", "due_ns")

    def __init__(self, step: str, total: Optional[int], unit: str) -> None:
        self._step, self._total, self._unit = step, total, unit
        self._sink = _sink.get()
        self.due_ns = 0

    def __call__(self, done: int, now_ns: int) -> None:
        """Report that `done` units are done at `now_ns`, on the caller's clock."""
        self.due_ns = now_ns + NANOSECONDS_BETWEEN
        self._sink(Progress(self._step, done, self._total, self._unit))
