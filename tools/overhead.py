"""What the loop itself adds to each latency: measured on an engine that does nothing."""

from __future__ import annotations

from statistics import median
from typing import Any, Optional, Sequence

from tools.contract import Reason
from tools.sut import Clock, TimedSUT

CALLS = 500
MOST_SHARE = 0.01
"""More than this share of the median latency is a doubt."""


class _Nothing:
    """An engine that returns what another one did."""

    def __init__(self, outputs: Any) -> None:
        self._answer = (outputs, 0.0)

    def __call__(self, inputs: Sequence[Any]) -> Any:
        del inputs
        return self._answer


def overhead_ns(outputs: Any, clock: Clock) -> Optional[float]:
    """The median latency in ns that the timed SUT shows for an engine that returns `outputs` at once; None without outputs.

    The outputs are on the CPU by then: what their copy from a device takes is the engine's.
    """
    if outputs is None:
        return None
    sut = TimedSUT(_Nothing(outputs), clock)
    for _ in range(CALLS):
        sut([])
    return float(median(sut.latencies_ns))


def overhead_doubts(overhead: Optional[float], median_ns: float) -> Sequence[Reason]:
    """The doubt that the loop's own share of a query is too large."""
    if not overhead or overhead <= MOST_SHARE * median_ns:
        return ()
    text = "the loop itself takes {:.2f} µs of a query of {:.1f} µs ({:.1f} %); raise batch_size"
    return (Reason("overhead", text.format(overhead / 1e3, median_ns / 1e3, 100 * overhead / median_ns)),)
