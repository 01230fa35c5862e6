"""The one measuring loop: passes over the data, a timed SUT for the case, an evaluator outside the timed region."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from tools.contract import Phase, Reason, WarmUp
from tools.difference import WRONG_OUTPUTS
from tools.errors import CaseCrash
from tools.finite import Finiteness
from tools.goal import Goal
from tools.intervals import throughput_interval
from tools.late_outputs import late_reasons
from tools.outputs import check_outputs, sample_outputs
from tools.overhead import overhead_doubts, overhead_ns
from tools.progress import Throttle
from tools.statistics import latency
from tools.steadiness import doubts
from tools.sut import Clock, TimedSUT, foo_doubts
from tools.warmup import warm_up
from tools.workload import Evaluator, Forward, Workload

LATER_SHARE = 0.99
"""Of the first pass's score; rounding may tip a few items the other way in an engine that is not deterministic."""

_STEPS = {"validation": "c", "inference": "f"}


@dataclass(frozen=True)
class Measurement:
    """One phase as measured; unpacks as FlagPerf's `(whole, core, accuracy)`.

    Beside the figures: the raw latencies, what the engine says of itself, some of its outputs, the reference's for the same
    inputs (the framework's own, in fp32, where that is another engine), and the workload, to ask the engine more.
    """

    phase: Phase
    latencies_ns: Sequence[int] = ()
    engine: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[Sequence[Any]] = ()
    reference: Optional[Sequence[Sequence[Any]]] = None
    workload: Optional[Workload] = None

    @property
    def fp32_outputs(self) -> Sequence[Sequence[Any]]:
        """The reference's outputs; its own where it is that itself."""
        return self.outputs if self.reference is None else self.reference

    def __iter__(self) -> Iterator[Optional[float]]:
        return iter((self.phase.whole, self.phase.core, self.phase.accuracy))


class _Tally:
    """What has been counted over batches; `judging` is whether what comes still counts for the accuracy. What comes later is
    held to the scores of the first pass, batch by batch: `later` points were made where there were `before`."""

    __slots__ = ("batches", "before", "correct", "finiteness", "first", "items", "judged", "judging", "later")

    def __init__(self) -> None:
        self.batches = 0
        self.items = 0
        self.correct = 0.0
        self.judged = 0
        self.judging = True
        self.first: List[float] = []
        self.before = 0.0
        self.later = 0.0
        self.finiteness = Finiteness()

    def judge(self, items: int, score: Any, place: int, first_pass: bool) -> None:
        points, judged = (float(score[0]), int(score[1])) if isinstance(score, tuple) else (float(score), items)
        if first_pass:
            self.first.append(points)
        if self.judging:
            self.correct += points
            self.judged += judged
        elif place < len(self.first):
            self.before += self.first[place]
            self.later += points

    @property
    def accuracy(self) -> Optional[float]:
        return self.correct / self.judged if self.judged else None


def measure(
    engine: Any,
    dataloader: Any,
    forward: Forward,
    evaluator: Optional[Evaluator],
    config: Any,
    phase: str,
    clock: Clock = time.perf_counter_ns,
) -> Measurement:
    """Warm `engine` up, run it over `dataloader` until `Goal` says that it is enough, and say how fast and how good it was.

    Each batch has `.items`, the real items in it (padding not counted); where it also has `.size` (its first dimension) or
    `.expected_outputs` (how many tensors), the outputs are held to them. Starting the loader's workers the first time is not
    measured. `phase` is validation or inference; `clock` gives ns.

    Raises CaseCrash for outputs that cannot be right, and for a data set without a batch.
    """
    workload = Workload(dataloader, forward, evaluator, config)
    cold, sut, tally = TimedSUT(engine, clock), TimedSUT(engine, clock), _Tally()
    warmed, unstable = warm_up(cold, _first_batch(dataloader), workload, clock)
    report = Throttle(_STEPS[phase], None, "batches", config.log_freq)
    first = iter(dataloader)  # starts a loader's workers, or has them drop what the warm-up left
    began = clock()
    _passes(sut, first, workload, tally, report)
    wall_ns = clock() - began
    outputs = sample_outputs(engine, workload, clock)
    unstable += tuple(late_reasons(engine, workload, (cold, sut), clock))
    return Measurement(
        _phase(sut, tally, wall_ns, warmed, unstable, clock),
        sut.latencies_ns,
        describe(engine),
        outputs,
        _reference_outputs(engine, workload, clock),
        workload,
    )


def describe(engine: Any) -> Dict[str, Any]:
    """What an engine says that really ran; empty where it says nothing."""
    return dict(engine.describe()) if hasattr(engine, "describe") else {}


def _first_batch(dataloader: Any) -> Any:
    for batch in dataloader:
        return batch
    raise _no_batch()


def _passes(sut: TimedSUT, first: Iterator[Any], workload: Workload, tally: _Tally, report: Throttle) -> None:
    """Measure until the goal is reached. Beyond the passes asked for, batches are judged by what they scored in the first."""
    dataloader, forward, config = workload.dataloader, workload.forward, workload.config
    evaluate, finiteness = workload.evaluator or _no_truth, tally.finiteness
    goal = Goal(config)
    per_pass = len(dataloader) if hasattr(dataloader, "__len__") else None
    passes = 0
    while tally.judging or not goal.reached(sut):
        before = tally.batches
        for batch in dataloader if passes else first:
            outputs = forward(sut, batch, config)
            check_outputs(outputs, batch)
            score = evaluate(outputs, batch)
            tally.batches += 1
            tally.items += batch.items
            if score is not None:
                tally.judge(batch.items, score, tally.batches - before - 1, not passes)
            if score is not None or sut.core_ns >= finiteness.due_ns:
                finiteness.see(outputs, batch, sut)
            if sut.ended_ns >= report.due_ns:
                report.total = goal.batches(sut, tally.batches, per_pass)
                report(tally.batches, sut.ended_ns)
            if tally.batches >= report.due_unit:
                report.log(tally.batches, tally.items, sut.core_ns)
            if not tally.judging and goal.reached(sut):
                break
        if tally.batches == before:
            raise _no_batch()
        passes += 1
        tally.judging = passes < goal.passes


def _no_truth(outputs: Any, batch: Any) -> None:
    del outputs, batch


def _reference_outputs(engine: Any, workload: Workload, clock: Clock) -> Optional[List[List[Any]]]:
    """The outputs of the engine's own reference, where it has one that is not itself."""
    reference = engine.reference() if hasattr(engine, "reference") else None
    return None if reference is None else sample_outputs(reference, workload, clock)


def _phase(sut: TimedSUT, tally: _Tally, wall_ns: int, warmed: WarmUp, unstable: Tuple[Reason, ...], clock: Clock) -> Phase:
    whole_seconds = wall_ns / 1e9 - sut.foo_seconds
    core_seconds = sut.core_ns / 1e9
    queries = len(sut.latencies_ns)
    overhead = overhead_ns(sut.outputs, clock)
    found = [
        *unstable,
        *doubts(sut.latencies_ns),
        *foo_doubts(sut.foo_seconds),
        *_later_doubts(tally),
        *tally.finiteness.reasons(),
    ]
    if queries:
        found += overhead_doubts(overhead, median(sut.latencies_ns))
    return Phase(
        whole=tally.items / whole_seconds if whole_seconds > 0 else None,
        core=tally.items / core_seconds if core_seconds > 0 else None,
        accuracy=tally.accuracy,
        items=tally.items,
        queries=queries,
        batches=tally.batches,
        whole_seconds=whole_seconds,
        core_seconds=core_seconds,
        core_interval=throughput_interval(sut.latencies_ns, tally.items / queries) if queries else None,
        warmup=warmed,
        overhead_ns=overhead,
        foo_seconds=sut.foo_seconds,
        latency=latency(sut.latencies_ns),
        doubts=tuple(found),
    )


def _later_doubts(tally: _Tally) -> Sequence[Reason]:
    """An engine that is right while it is judged must be right afterwards too; NaN is less than anything."""
    if not tally.before or tally.later >= LATER_SHARE * tally.before:
        return ()
    text = "after the first pass the same batches scored {:.1f} where they had scored {:.1f}"
    return (Reason(WRONG_OUTPUTS, text.format(tally.later, tally.before)),)


def _no_batch() -> CaseCrash:
    return CaseCrash("the data set gave no batch; has it fewer items than batch_size?")
