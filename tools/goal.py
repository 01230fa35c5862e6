"""When a phase has measured enough: its passes, its seconds, and the queries that its percentiles need."""

from __future__ import annotations

import math
from typing import Any, Optional

from tools.statistics import samples_needed
from tools.sut import TimedSUT


class Goal:
    """`config.repeat` whole passes, then on until `config.min_seconds` of core time and enough queries for each of
    `config.percentiles`; beyond the passes asked for, measuring may end in the middle of one."""

    def __init__(self, config: Any) -> None:
        self.passes: int = config.repeat
        self.core_ns: float = config.min_seconds * 1e9
        self.queries = max((samples_needed(percent) for percent in config.percentiles), default=0)

    def reached(self, sut: TimedSUT) -> bool:
        """Whether time and queries are enough; passes are counted by whoever makes them."""
        return sut.core_ns >= self.core_ns and len(sut.latencies_ns) >= self.queries

    def batches(self, sut: TimedSUT, done: int, per_pass: Optional[int]) -> Optional[int]:
        """How many batches it will have been, as far as `done` of them tell; None where a pass has no known length."""
        if per_pass is None:
            return None
        expected = self.passes * per_pass
        if done and sut.latencies_ns:
            expected = max(expected, math.ceil(self.queries * done / len(sut.latencies_ns)))
        if done and sut.core_ns:
            expected = max(expected, math.ceil(self.core_ns * done / sut.core_ns))
        return max(expected, done)
