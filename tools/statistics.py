"""Percentiles of latencies with distribution-free upper bounds, both withheld where there are too few samples to show them."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any, Callable, Optional, Sequence

import numpy as np

from tools.figures import Latency, Percentile

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
RISK = 0.01


def nearest_rank(ordered: Sequence[int], percent: float) -> int:
    """Return the nearest-rank percentile: always one of `ordered`, which is sorted. `percent` is in (0, 100].

    Raises ValueError if there are no samples or `percent` is out of range.
    Source: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
    """
    if not len(ordered) or not 0 < percent <= 100:
        raise ValueError("no percentile {} of {} samples".format(percent, len(ordered)))
    rank = math.ceil(Fraction(str(percent)) * len(ordered) / 100)
    return int(ordered[rank - 1])


@lru_cache(maxsize=None)
def min_queries(over_latency: int, percent: float) -> int:
    """The least number of queries with which `over_latency` of them above a latency still show, at 99 % confidence, that the
    percentile `percent`, in (0, 100), is not above that latency.

    That is the least n with P(Binomial(n, 1 - percent / 100) <= over_latency) < 0.01. Raises ValueError for what is out of range.
    Source: MLPerf loadgen's early stopping (early_stopping.cc), which counts the same: its h + t for t = `over_latency`.
    """
    if over_latency < 0 or not 0 < percent < 100:
        raise ValueError("no number of queries for {} above percentile {}".format(over_latency, percent))
    too_few, enough = over_latency, 2 * over_latency + 1
    while not _shown(over_latency, enough, percent):
        too_few, enough = enough, 2 * enough
    return _last(too_few, enough, lambda queries: not _shown(over_latency, queries, percent)) + 1


def samples_needed(percent: float) -> int:
    """The fewest samples that give a percentile its bound: with one of them above it, p90 64, p95 130, p99 662, p99.9 6,636."""
    return min_queries(1, percent)


def upper_bound(ordered: Sequence[int], percent: float) -> Optional[int]:
    """The sample of the sorted `ordered` that the true percentile is, at 99 % confidence, not above; None if there are too few.

    With t the most samples that may lie above, the t-th greatest. Source: loadgen's early stopping estimate (results.cc), which
    is one rank more cautious than the binomial distribution asks for.
    """
    if len(ordered) < samples_needed(percent):
        return None
    return int(ordered[len(ordered) - _most_above(len(ordered), percent)])


def percentile(ordered: Sequence[int], percent: float) -> Percentile:
    """A percentile of the sorted `ordered` and its upper bound, both without a value where samples are too few."""
    needed = samples_needed(percent)
    if len(ordered) < needed:
        return Percentile(percent, None, needed)
    return Percentile(percent, nearest_rank(ordered, percent), needed, upper_bound(ordered, percent))


def latency(latencies_ns: Sequence[int]) -> Optional[Latency]:
    """Summarise raw latencies in ns, in any order; None if there are none."""
    if not len(latencies_ns):
        return None
    ordered: Any = np.sort(np.asarray(latencies_ns, dtype=np.int64))
    percentiles = tuple(percentile(ordered, percent) for percent in PERCENTS)
    return Latency(len(ordered), int(ordered[0]), int(ordered.sum()) / len(ordered), int(ordered[-1]), percentiles)


@lru_cache(maxsize=1024)
def _most_above(queries: int, percent: float) -> int:
    """The greatest t with min_queries(t, percent) <= queries; at least 1, for queries >= samples_needed."""
    return _last(1, queries, lambda over_latency: _shown(over_latency, queries, percent))


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last number for which `holds`, which is so for `low` and not for `high`, changing once between them."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _shown(over_latency: int, queries: int, percent: float) -> bool:
    above = float(1 - Fraction(str(percent)) / 100)
    return _at_most(over_latency, queries, above) < RISK


def _at_most(count: int, trials: int, probability: float) -> float:
    """P(Binomial(trials, probability) <= count): the terms from `count` downwards, which shrink, so that none underflows."""
    if count >= trials * probability:
        return 1.0  # in truth at least 1/2, since a binomial's median is next to its mean; what matters is that RISK is less
    log_choose = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    term = math.exp(log_choose + count * math.log(probability) + (trials - count) * math.log1p(-probability))
    odds = (1 - probability) / probability
    total = term
    while count and term > total * 1e-17:
        term *= odds * count / (trials - count + 1)
        total += term
        count -= 1
    return total
