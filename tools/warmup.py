"""Warm-up: unrecorded queries until three windows of them agree, or until a limit, which is said."""

from __future__ import annotations

from statistics import median
from typing import Any, List, Sequence, Tuple

from tools.contract import Reason, WarmUp
from tools.errors import CaseCrash
from tools.outputs import check_outputs
from tools.steadiness import windows_agree
from tools.sut import Clock, TimedSUT
from tools.workload import Workload

WINDOW_NS = 50_000_000
"""A window lasts at least this long, so that the medians of a fast engine are of more than its first microseconds …"""

MOST_QUERIES = 1000
"""… unless it is so fast that this many queries take less."""


def warm_up(sut: TimedSUT, batch: Any, workload: Workload, clock: Clock) -> Tuple[WarmUp, Tuple[Reason, ...]]:
    """Run windows of `config.warmup` queries or more on `batch` until the medians of three in a row agree, on a fresh `sut`.

    Ends unstable, with a doubt, after `config.warmup_limit` seconds. 0 queries is no warm-up. Raises CaseCrash for outputs that
    cannot be right and for a forward that makes no query.
    """
    config = workload.config
    if not config.warmup:
        return WarmUp(0, 0.0), ()
    began = clock()
    limit = began + config.warmup_limit * 1e9
    medians: List[float] = []
    while not medians or (not windows_agree(medians) and clock() < limit):
        medians.append(_window(sut, batch, workload, config.warmup, limit, clock()))
    stable = windows_agree(medians)
    warmed = WarmUp(len(sut.latencies_ns), (clock() - began) / 1e9, sut.latencies_ns[0], stable)
    return warmed, () if stable else (_not_stable(medians, warmed),)


def _window(sut: TimedSUT, batch: Any, workload: Workload, wanted: int, limit: float, started: int) -> float:
    """The median latency in ns of one window; the limit ends it early."""
    begin = len(sut.latencies_ns)
    while True:
        before = len(sut.latencies_ns)
        check_outputs(workload.forward(sut, batch, workload.config), batch)
        queries = len(sut.latencies_ns) - begin
        if len(sut.latencies_ns) == before:
            raise CaseCrash("the case's forward did not call the SUT, so there is nothing to measure")
        enough = queries >= wanted and (sut.ended_ns - started >= WINDOW_NS or queries >= MOST_QUERIES)
        if enough or sut.ended_ns >= limit:
            return float(median(sut.latencies_ns[begin:]))


def _not_stable(medians: Sequence[float], warmed: WarmUp) -> Reason:
    last = ", ".join("{:.3f}".format(value / 1e6) for value in medians[-3:])
    text = "no three windows of the warm-up agreed within {:.0f} s ({} queries; the last medians were {} ms)".format(
        warmed.seconds, warmed.queries, last
    )
    return Reason("not stable", text + "; measure on a quiet machine, or raise warmup_limit")
