"""One quantity over a whole log in little memory: exact statistics of the window, few points for a plot; and energy."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable

from utils.monitoring.model import Spread

POINTS = 500


class Column:
    """Takes values as they come. Statistics count those from `start` to `stop`; `times` and `values` are readings of all times.

    These are thinned to at most POINTS by keeping the lowest and the highest of every so many neighbours: no extreme is lost.
    """

    def __init__(self, start: float = -math.inf, stop: float = math.inf) -> None:
        self._start, self._stop = start, stop
        self._bucket = 1
        self.times, self.values = array("d"), array("d")
        self.count, self.total, self.minimum, self.maximum = 0, 0.0, math.inf, -math.inf

    def extend(self, times: array[float], values: array[float]) -> None:
        """Take more values, each with its time."""
        self._count(values if self._all_inside(times) else self._inside(times, values))
        times, values = extremes(times, values, self._bucket)
        self.times.extend(times)
        self.values.extend(values)
        while len(self.times) > POINTS:
            self.times, self.values = extremes(self.times, self.values, 4)
            self._bucket = max(4, self._bucket * 2)

    def _all_inside(self, times: array[float]) -> bool:
        return len(times) > 0 and self._start <= min(times) and max(times) <= self._stop

    def _inside(self, times: array[float], values: array[float]) -> array[float]:
        return array("d", [value for time, value in zip(times, values, strict=True) if self._start <= time <= self._stop])

    def _count(self, values: array[float]) -> None:
        self.count += len(values)
        self.total += math.fsum(values)
        self.minimum, self.maximum = (
            min(self.minimum, min(values, default=math.inf)),
            max(self.maximum, max(values, default=-math.inf)),
        )


class Energy:
    """The integral of one device's power over the window, by the trapezoid rule, and the seconds it covers.

    Trapezoids that stick out of the window are cut at its edges. Readings further apart than `gap` seconds are not joined.
    """

    def __init__(self, start: float, stop: float, gap: float) -> None:
        self._start, self._stop, self._gap = start, stop, gap
        self._time, self._watts = math.nan, math.nan
        self.joules, self.seconds = 0.0, 0.0

    def extend(self, times: Iterable[float], watts: Iterable[float]) -> None:
        """Take more readings; one that is not later than the last (a clock set back) starts anew."""
        before, old = self._time, self._watts
        for time, power in zip(times, watts, strict=True):
            step = time - before
            if 0 < step <= self._gap and self._start <= before and time <= self._stop:
                self.joules += step * (old + power) / 2
                self.seconds += step
            elif 0 < step <= self._gap and self._start < time and before < self._stop:
                left, right = max(before, self._start), min(time, self._stop)
                self.joules += (right - left) * (old + (power - old) * ((left + right) / 2 - before) / step)
                self.seconds += right - left
            before, old = time, power
        self._time, self._watts = before, old


def extremes(times: array[float], values: array[float], bucket: int) -> tuple[array[float], array[float]]:
    """Return, of every `bucket` neighbours, the lowest and the highest value and their times, in order."""
    if bucket <= 2:
        return times, values
    kept: list[int] = []
    for begin in range(0, len(values), bucket):
        part = values[begin : begin + bucket]
        low, high = min(part), max(part)
        first = begin + part.index(low)
        if low == high:
            kept.append(first)
            continue
        second = begin + part.index(high)
        kept += (first, second) if first < second else (second, first)
    return array("d", [times[index] for index in kept]), array("d", [values[index] for index in kept])


def spread(columns: Iterable[Column]) -> Spread | None:
    """Return mean and extremes over the windows of several columns; None where nothing was reported in them."""
    filled = [column for column in columns if column.count]
    if not filled:
        return None
    mean = math.fsum(column.total for column in filled) / sum(column.count for column in filled)
    return Spread(mean, min(column.minimum for column in filled), max(column.maximum for column in filled))
