"""Whether latencies have settled and what is odd about them: agreeing windows, drift, two modes. Nothing is thrown away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence

import numpy as np

from tools.figures import Reason
from tools.intervals import correlation_factor, student_t

MIN_CALLS = 200
"""Fewer latencies are not judged."""

AGREEMENT = 0.02
TREND = 0.01
MATERIAL = 0.05
"""The share of the latency below which a change or a distance between modes is not worth a doubt."""

_BLOCKS = 20
_DRIFT_CONFIDENCE = 0.999
_STEP_CONFIDENCE = 0.99999
_LEAST_LEVEL = 3
_LEAST_SHARE = 0.1
_DEVIATIONS = 4.0
_MOST_BINS = 50
_COARSEST_TICK_NS = 100.0
_SMOOTHING = np.array([1, 2, 1]) / 4


@dataclass(frozen=True)
class Modes:
    """Two modes: the share of the faster one's calls (0..1), and each one's median in ns."""

    share: float
    fast_ns: float
    slow_ns: float


def windows_agree(medians_ns: Sequence[float]) -> bool:
    """Whether the last three windows' medians lie within 2 % of each other without a trend; False for fewer than three.

    A trend is three medians that only rise, or only fall, by over 1 % in all.
    """
    if len(medians_ns) < 3:
        return False
    last = [float(median) for median in medians_ns[-3:]]
    spread = max(last) - min(last)
    one_way = last[0] < last[1] < last[2] or last[0] > last[1] > last[2]
    return spread <= (TREND if one_way else AGREEMENT) * min(last)


def doubts(latencies_ns: Sequence[int]) -> List[Reason]:
    """What speaks against taking the latencies, in the order of their calls, for those of one steady engine.

    Kinds: `drift`, `bimodal`. Rare spikes are no doubt: they are what the high percentiles show. Nothing is said of fewer
    than MIN_CALLS latencies.
    """
    latencies = np.asarray(latencies_ns, dtype=np.float64)
    if len(latencies) < MIN_CALLS:
        return []
    found = (_drift_doubt(drift(latencies), latencies), _bimodal_doubt(modes(latencies)))
    return [reason for reason in found if reason is not None]


def drift(latencies: Any) -> float:
    """By what share the median latency of float [calls] rose (below 0: fell) from the run's first fifth to its last.

    0.0 where that is less than 5 %, or no more than noise: the medians of 20 blocks must have a slope, at 99.9 % confidence, or
    one step wherever it fits best, at 99.999 %. The noise is what slope or step leave, widened by its correlation.
    """
    medians = np.array([np.median(block) for block in np.array_split(latencies, _BLOCKS)])
    began, ended = _ends(latencies)
    if abs(ended - began) < MATERIAL * min(began, ended) or not (_has_slope(medians) or _has_step(medians)):
        return 0.0
    return ended / began - 1 if began > 0 else 0.0


def modes(latencies: Any) -> Optional[Modes]:
    """The two modes of float [calls], in any order; None where there is but one.

    Two modes are peaks of a smoothed histogram with a valley of at most half the lower peak between them, deeper than four
    standard deviations of its counts (fewer counts where calls of a mode resemble their neighbours); each has a tenth of the
    calls or more, and their medians are 5 % or more apart.
    """
    low, above_most, high = np.percentile(latencies, [1, 92, 99])
    high = min(high, above_most + (above_most - low))  # else spikes would leave the modes a bin or two
    if high - low < MATERIAL * low:
        return None
    counts, edges = _histogram(latencies, low, high)
    smooth = np.convolve(counts, _SMOOTHING, mode="same")
    peaks = np.minimum(np.maximum.accumulate(smooth), np.maximum.accumulate(smooth[::-1])[::-1])
    split = int(np.argmax(peaks - smooth))
    middle = (edges[split] + edges[split + 1]) / 2
    fast, slow = latencies[latencies < middle], latencies[latencies >= middle]
    if min(len(fast), len(slow)) < _LEAST_SHARE * len(latencies):
        return None
    if not _is_valley(float(smooth[split]), float(peaks[split]), _effective_share(latencies, middle)):
        return None
    found = Modes(len(fast) / len(latencies), float(np.median(fast)), float(np.median(slow)))
    return found if found.slow_ns - found.fast_ns >= MATERIAL * found.fast_ns else None


def _ends(latencies: Any) -> Any:
    fifth = len(latencies) // 5
    return float(np.median(latencies[:fifth])), float(np.median(latencies[-fifth:]))


def _has_slope(medians: Any) -> bool:
    places = np.arange(len(medians)) - (len(medians) - 1) / 2
    slope = float(places @ medians) / float(places @ places)
    left = medians - medians.mean() - slope * places
    return _is_beyond(slope * math.sqrt(float(places @ places)), left, len(medians) - 2, _DRIFT_CONFIDENCE)


def _has_step(medians: Any) -> bool:
    """Whether one level, then another, from wherever that fits best, explains the medians."""
    best = None
    for at in range(_LEAST_LEVEL, len(medians) - _LEAST_LEVEL + 1):
        before, after = medians[:at], medians[at:]
        left = np.concatenate([before - before.mean(), after - after.mean()])
        if best is None or float(left @ left) < float(best[0] @ best[0]):
            weight = math.sqrt(at * (len(medians) - at) / len(medians))
            best = (left, float(after.mean() - before.mean()) * weight)
    assert best
    return _is_beyond(best[1], best[0], len(medians) - 3, _STEP_CONFIDENCE)


def _is_beyond(effect: float, left: Any, freedom: int, confidence: float) -> bool:
    """Whether an effect, in units of the noise in the residuals `left`, is more than noise."""
    noise = math.sqrt(float(left @ left) / freedom * correlation_factor(left))
    return abs(effect) > student_t(confidence, freedom) * noise


def _histogram(latencies: Any, low: float, high: float) -> Any:
    """Counts and edges between `low` and `high`, in bins of whole ticks of the clock: others would show its ticks as modes."""
    seen = np.unique(latencies[(latencies >= low) & (latencies <= high)])
    tick = min(float(np.median(np.diff(seen))), _COARSEST_TICK_NS) if len(seen) > 1 else 1.0
    bins = min(_MOST_BINS, math.sqrt(len(latencies)))
    width = tick * math.ceil((high - low) / tick / bins)
    edges = np.arange(low - tick / 2, high + width, width)
    return np.histogram(latencies, edges)


def _effective_share(latencies: Any, middle: float) -> float:
    """How many independent calls one call is worth: from the correlation of neighbours within the modes."""
    slow = latencies >= middle
    off = latencies - np.where(slow, latencies[slow].mean(), latencies[~slow].mean())
    squares = float(off @ off)
    likeness = min(0.99, max(0.0, float(off[1:] @ off[:-1]) / squares)) if squares else 0.0
    return (1 - likeness) / (1 + likeness)


def _is_valley(bottom: float, peak: float, effective: float) -> bool:
    noise = math.sqrt((peak + bottom) * float(_SMOOTHING @ _SMOOTHING) / effective)
    return bottom <= peak / 2 and peak - bottom > _DEVIATIONS * noise


def _drift_doubt(change: float, latencies: Any) -> Optional[Reason]:
    if not change:
        return None
    began, ended = _ends(latencies)
    text = "latency {} by {:.0f} % over the run, from {} to {}; {}, and repeat on an idle machine"
    way, remedy = ("rose", "let the chip reach its steady temperature") if change > 0 else ("fell", "warm up for longer")
    return Reason("drift", text.format(way, abs(change) * 100, _spoken(began), _spoken(ended), remedy))


def _bimodal_doubt(found: Optional[Modes]) -> Optional[Reason]:
    if found is None:
        return None
    text = (
        "two kinds of calls: {:.0f} % take about {}, {:.0f} % about {}; look for changing clocks, another process or inputs of"
        " two sizes, and repeat on an idle machine"
    )
    fast, slow = found.share * 100, 100 - found.share * 100
    return Reason("bimodal", text.format(fast, _spoken(found.fast_ns), slow, _spoken(found.slow_ns)))


def _spoken(nanoseconds: float) -> str:
    """A duration as people say it: ms from 1 ms on, else µs."""
    return "{:.3g} ms".format(nanoseconds / 1e6) if nanoseconds >= 1e6 else "{:.3g} µs".format(nanoseconds / 1e3)
