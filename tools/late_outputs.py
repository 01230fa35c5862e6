"""Whether an engine's outputs were written when their query ended, or only later, by a thread or a device of its own."""

from __future__ import annotations

import time
from typing import Any, List, Sequence

from tools.difference import WRONG_OUTPUTS
from tools.figures import Reason
from tools.kept_outputs import KeptOutputs
from tools.sut import Clock, TimedSUT
from tools.workload import Workload

GRACE_NS = 100_000_000
"""At least so long after they were first kept, outputs are looked at again."""

PAUSES, PAUSE_SECONDS, MOST_PAUSE_SECONDS = 4, 0.05, 2.0
LEAST_QUERIES, MOST_QUERIES, MOST_NS = 16, 1024, 3_000_000_000
"""How an engine is asked again: with so many pauses, each of twice its slowest query; in all until one of its outputs lies over
one that has changed, or until so many queries and ns were spent on waiting for that."""


def late_reasons(engine: Any, workload: Workload, suts: Sequence[TimedSUT], clock: Clock) -> Sequence[Reason]:
    """Why what `suts` measured of `engine` must not be quoted: outputs that were written after their query had ended.

    An engine may write its next outputs over its last ones. So where kept outputs have changed, it is asked again: they were late
    if outputs change while it is not called, or if no others lie over those that have changed.
    """
    kept = [outputs for sut in suts for outputs in sut.kept]
    _wait_for(kept, clock)
    changed = [outputs for outputs in kept if outputs.has_changed]
    if not changed:
        return ()
    slowest = max(latency_ns for sut in suts for latency_ns in sut.latencies_ns) / 1e9
    probe = _Probe(engine, clock, changed, min(max(PAUSE_SECONDS, 2 * slowest), MOST_PAUSE_SECONDS))
    probe.reuses_memory = any(one.shares_memory(other) for one in changed for other in kept if one is not other)
    if not _is_late(probe, workload, clock):
        return ()
    text = (
        "the outputs of {} of {} queries that were looked at again have changed since the query ended: the engine returns before "
        "they are written, so that its launches were timed; let its __call__ wait until they are"
    )
    return (Reason(WRONG_OUTPUTS, text.format(len(changed), len(kept))),)


def _wait_for(kept: Sequence[KeptOutputs], clock: Clock) -> None:
    """Until the first of them are old enough to be written."""
    if kept:
        time.sleep(max(0, GRACE_NS + min(outputs.ended_ns for outputs in kept) - clock()) / 1e9)


def _is_late(probe: _Probe, workload: Workload, clock: Clock) -> bool:
    began = clock()
    for _ in range(MOST_QUERIES):
        for batch in workload.dataloader:
            workload.forward(probe, batch, workload.config)
            if probe.is_late or (probe.reuses_memory and probe.queries >= PAUSES):
                return probe.is_late
            if probe.queries >= MOST_QUERIES or (probe.queries >= LEAST_QUERIES and clock() - began >= MOST_NS):
                return True
    return False


class _Probe(TimedSUT):
    """Pauses after its first queries, to see whether the outputs change although nobody calls the engine, and sees whether
    outputs lie over the `changed` ones."""

    def __init__(self, engine: Any, clock: Clock, changed: Sequence[KeptOutputs], pause_seconds: float) -> None:
        super().__init__(engine, clock)
        self._changed, self._pause_seconds = changed, pause_seconds
        self.queries, self.is_late, self.reuses_memory = 0, False, False

    def __call__(self, inputs: Sequence[Any]) -> List[Any]:
        tensors = super().__call__(inputs)
        outputs = KeptOutputs(list(self.outputs), inputs, self.ended_ns)
        self.queries += 1
        self.reuses_memory = self.reuses_memory or any(kept.shares_memory(outputs) for kept in self._changed)
        if self.queries <= PAUSES:
            time.sleep(self._pause_seconds)
            self.is_late = self.is_late or outputs.has_changed
        return tensors
