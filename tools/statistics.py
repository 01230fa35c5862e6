"""Percentiles of latencies: nearest-rank order statistics, withheld where there are too few samples to show them."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Optional, Sequence

from tools.contract import Latency, Percentile

PERCENTS = (50.0, 90.0, 99.0)
RISK = 0.01


def nearest_rank(ordered: Sequence[int], percent: float) -> int:
    """Return the nearest-rank percentile: always one of `ordered`, which is sorted. `percent` is in (0, 100].

    Raises ValueError if there are no samples or `percent` is out of range.
    Source: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
    """
    if not ordered or not 0 < percent <= 100:
        raise ValueError("no percentile {} of {} samples".format(percent, len(ordered)))
    rank = math.ceil(Fraction(str(percent)) * len(ordered) / 100)
    return ordered[rank - 1]


@lru_cache(maxsize=None)
def samples_needed(percent: float) -> int:
    """The fewest samples of which, at 99 % confidence, more than one lies above the true percentile: p90 64, p99 662.

    That is the smallest n with P(Binomial(n, 1 - p) <= 1) <= 0.01; found by doubling, then halving the interval.
    """
    enough = 2
    while _at_most_one_above(enough, percent) > RISK:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _at_most_one_above(middle, percent) > RISK:
            too_few = middle
        else:
            enough = middle
    return enough


def percentile(ordered: Sequence[int], percent: float) -> Percentile:
    """A percentile of the sorted `ordered`, without a value where samples are too few."""
    needed = samples_needed(percent)
    return Percentile(percent, nearest_rank(ordered, percent) if len(ordered) >= needed else None, needed)


def latency(latencies_ns: Sequence[int]) -> Optional[Latency]:
    """Summarise raw latencies in ns; None if there are none."""
    if not latencies_ns:
        return None
    ordered = sorted(latencies_ns)
    percentiles = tuple(percentile(ordered, percent) for percent in PERCENTS)
    return Latency(len(ordered), ordered[0], sum(ordered) / len(ordered), ordered[-1], percentiles)


def _at_most_one_above(count: int, percent: float) -> float:
    above = 1 - percent / 100
    below = percent / 100
    return float(below**count + count * above * below ** (count - 1))
