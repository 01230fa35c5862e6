"""How sure a mean is: confidence intervals and comparisons from blocks of consecutive calls, which keep their correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Optional, Sequence

import numpy as np

from tools.figures import Interval

MIN_CALLS = 100
"""Ten blocks of ten calls: with fewer there is no interval."""

_MOST_BLOCKS = 20
_LEAST_LENGTH = 10
_CONFIDENCE = 0.99
_CONFIDENCE_TO_DIFFER = 0.995


@dataclass(frozen=True)
class BlockMean:
    """The mean of a run's latencies, its standard error, that error's skewness, and how many blocks it comes from."""

    mean: float
    error: float
    skewness: float
    blocks: int


def throughput_interval(latencies_ns: Sequence[int], items_per_query: float) -> Optional[Interval]:
    """Bound the items per second of core time at 99 % confidence; None for fewer than MIN_CALLS calls, or where time stood still.

    A t interval over block means, with Hall's correction for skewed latencies. It knows only what it has seen: spikes so rare
    that the run had fewer than some ten of them are not covered, nor is correlation over more than a tenth of a block.
    Source: P. Hall, On the removal of skewness by transformation, J. R. Statist. Soc. B 54 (1992), 221-228.
    """
    latencies = np.asarray(latencies_ns, dtype=np.float64)
    run = block_mean(latencies)
    if run is None:
        return None
    quantile = student_t(_CONFIDENCE, run.blocks - 1)
    slowest = run.mean - run.error * _unskewed(-quantile, run.skewness)
    fastest = max(run.mean - run.error * _unskewed(quantile, run.skewness), float(latencies.min()))
    if fastest <= 0:
        return None
    return Interval(items_per_query * 1e9 / slowest, items_per_query * 1e9 / fastest)


def differ(a_ns: Sequence[int], b_ns: Sequence[int]) -> bool:
    """Whether the mean latencies of two runs differ at 99 % confidence. False where either has fewer than MIN_CALLS calls.

    Asked at 99.5 %, so that equal runs, whose calls resemble their neighbours somewhat, are called different in under 1 %.
    Source: Welch's t test, https://en.wikipedia.org/wiki/Welch%27s_t-test, over block means.
    """
    a = block_mean(np.asarray(a_ns, dtype=np.float64))
    b = block_mean(np.asarray(b_ns, dtype=np.float64))
    if a is None or b is None:
        return False
    variances = (a.error**2, b.error**2)
    both = sum(variances)
    if not both:
        return a.mean != b.mean
    freedom = both**2 / (variances[0] ** 2 / (a.blocks - 1) + variances[1] ** 2 / (b.blocks - 1))
    return abs(a.mean - b.mean) > student_t(_CONFIDENCE_TO_DIFFER, int(freedom)) * math.sqrt(both)


def block_mean(latencies: Any) -> Optional[BlockMean]:
    """Estimate the mean of float [calls] from 10 to 20 blocks of at least 10 consecutive calls; None for fewer than MIN_CALLS.

    The error is that of a ratio of sums. It grows with the correlation of neighbouring blocks, where that is positive: blocks
    are then too short to be independent.
    """
    calls = len(latencies)
    if calls < MIN_CALLS:
        return None
    blocks = min(_MOST_BLOCKS, calls // _LEAST_LENGTH)
    mean = float(latencies.mean())
    residuals = latencies - mean
    starts = np.arange(blocks) * calls // blocks
    sums = np.add.reduceat(residuals, starts)
    squares = float(sums @ sums)
    if not squares:
        return BlockMean(mean, 0.0, 0.0, blocks)
    variance = squares * blocks / (blocks - 1) / calls**2
    error = math.sqrt(variance * correlation_factor(sums))
    spread = math.sqrt(float(residuals @ residuals) / calls)
    return BlockMean(mean, error, float(((residuals / spread) ** 3).mean()) / math.sqrt(calls), blocks)


def correlation_factor(residuals: Any) -> float:
    """By how much the correlation of neighbours in float [blocks], of mean 0, raises the variance of their sum: at least 1."""
    squares = float(residuals @ residuals)
    return 1 + 2 * max(0.0, float(residuals[1:] @ residuals[:-1]) / squares) if squares else 1.0


@lru_cache(maxsize=256)
def student_t(confidence: float, freedom: int) -> float:
    """The t that a Student-distributed figure stays within (-t, t) of with probability `confidence`, by halving."""
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _within(middle, freedom) >= confidence else (middle, high)
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| < t) for an integral number of degrees of freedom.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    square = math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= square * power / (power + 1)
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def _unskewed(quantile: float, skewness: float) -> float:
    """The quantile of a skewed mean's t, from a symmetric one's: the inverse of Hall's cubic transformation."""
    if abs(skewness) < 1e-9:
        return quantile
    return (float(np.cbrt(1 + skewness * (quantile - skewness / 6))) - 1) * 3 / skewness
