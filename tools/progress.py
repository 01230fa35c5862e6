"""Who is told how far the guest is: whoever runs the steps sets it, the measuring loop speaks to it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Iterator, Optional

from loguru import logger

from tools.contract import STEPS, Progress

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
    """Reports one step's progress to the sink, and logs it each `log_freq` units (0: never), as FlagPerf's cases do.

    `total` may change on the way; None while nobody knows it. Whoever calls it waits until `due_ns`, and with `log` until
    `due_unit`, so that the loop pays two comparisons per batch.
    """

    __slots__ = ("_log_freq", "_sink", "_step", "_unit", "due_ns", "due_unit", "total")

    def __init__(self, step: str, total: Optional[int], unit: str, log_freq: int = 0) -> None:
        self._step, self.total, self._unit = step, total, unit
        self._sink = _sink.get()
        self._log_freq = log_freq
        self.due_ns, self.due_unit = 0, log_freq or sys.maxsize

    def __call__(self, done: int, now_ns: int) -> None:
        """Report that `done` units are done at `now_ns`, on the caller's clock."""
        self.due_ns = now_ns + NANOSECONDS_BETWEEN
        self._sink(Progress(self._step, done, self.total, self._unit))

    def log(self, done: int, items: int, core_ns: int) -> None:
        """Log (DEBUG) that `done` units are done: `items` in queries that took `core_ns` together."""
        self.due_unit = done + self._log_freq
        far = str(done) if self.total is None else "{} of {}".format(done, self.total)
        speed = "{:,.1f} items/s".format(items / (core_ns / 1e9)) if core_ns > 0 else "no time yet"
        logger.debug("step {} ({}): {} {}, core {}", self._step, dict(STEPS)[self._step], far, self._unit, speed)
