"""The one measuring loop: passes over the data, a timed SUT for the case, an evaluator outside the timed region."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence

from tools.contract import Phase
from tools.errors import CaseCrash
from tools.progress import Throttle
from tools.statistics import latency
from tools.sut import Clock, TimedSUT

Forward = Callable[[TimedSUT, Any, Any], Any]
"""`(sut, batch, config) -> outputs`: the case's own way from one batch to its outputs, through one or many queries."""

Evaluator = Callable[[Any, Any], Any]
"""`(outputs, batch)` -> a score summed over the batch's items, or `(correct, total)`, or None where there is no truth."""

DEFAULT_WARMUP = 10

_STEPS = {"validation": "c", "inference": "f"}


@dataclass(frozen=True)
class Measurement:
    """One phase as measured, with its raw latencies and what the engine says of itself; unpacks as FlagPerf's
    `(whole, core, accuracy)`."""

    phase: Phase
    latencies_ns: Sequence[int] = ()
    engine: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Optional[float]]:
        return iter((self.phase.whole, self.phase.core, self.phase.accuracy))


class _Tally:
    """What has been counted over batches."""

    __slots__ = ("batches", "correct", "items", "judged")

    def __init__(self) -> None:
        self.batches = 0
        self.items = 0
        self.correct = 0.0
        self.judged = 0

    def judge(self, items: int, score: Any) -> None:
        if isinstance(score, tuple):
            self.correct += float(score[0])
            self.judged += int(score[1])
        else:
            self.correct += float(score)
            self.judged += items

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
    """Run `config.repeat` passes over `dataloader`, and on until `config.min_seconds` of core time, and say how fast they were.

    Each batch has `.items`, the real items in it (padding not counted); where it also has `.size` (its first dimension) or
    `.expected_outputs` (how many tensors), the outputs are held to them. Starting the loader's workers the first time is not
    measured. `phase` is validation or inference; `clock` gives ns.

    Raises CaseCrash for outputs that cannot be right, and for a data set without a batch.
    """
    warmed = _warm_up(engine, dataloader, forward, config, clock)
    sut, tally = TimedSUT(engine, clock), _Tally()
    report = Throttle(_STEPS[phase], _total_batches(dataloader, config), "batches")
    first = iter(dataloader)  # starts a loader's workers, or has them drop what the warm-up left
    began = clock()
    _passes(sut, first, dataloader, forward, evaluator, config, tally, report)
    wall_ns = clock() - began
    return Measurement(_phase(sut, tally, wall_ns, warmed), sut.latencies_ns, describe(engine))


def describe(engine: Any) -> Dict[str, Any]:
    """What an engine says that really ran; empty where it says nothing."""
    return dict(engine.describe()) if hasattr(engine, "describe") else {}


def _warm_up(engine: Any, dataloader: Any, forward: Forward, config: Any, clock: Clock) -> int:
    """Run `config.warmup` queries on the first batch, unrecorded; return how many there were."""
    wanted = getattr(config, "warmup", DEFAULT_WARMUP)
    if not wanted:
        return 0
    sut = TimedSUT(engine, clock)
    batch = _first_batch(dataloader)
    while len(sut.latencies_ns) < wanted:
        before = len(sut.latencies_ns)
        check_outputs(forward(sut, batch, config), batch)
        if len(sut.latencies_ns) == before:
            raise CaseCrash("the case's forward did not call the SUT, so there is nothing to measure")
    return len(sut.latencies_ns)


def _first_batch(dataloader: Any) -> Any:
    for batch in dataloader:
        return batch
    raise _no_batch()


def _passes(
    sut: TimedSUT,
    first: Iterator[Any],
    dataloader: Any,
    forward: Forward,
    evaluator: Optional[Evaluator],
    config: Any,
    tally: _Tally,
    report: Throttle,
) -> None:
    enough_ns = getattr(config, "min_seconds", 0.0) * 1e9
    evaluate = evaluator or _no_truth
    done = 0
    while done < config.repeat or sut.core_ns < enough_ns:
        before = tally.batches
        for batch in dataloader if done else first:
            outputs = forward(sut, batch, config)
            check_outputs(outputs, batch)
            score = evaluate(outputs, batch)
            tally.batches += 1
            tally.items += batch.items
            if score is not None:
                tally.judge(batch.items, score)
            if sut.ended_ns >= report.due_ns:
                report(tally.batches, sut.ended_ns)
        if tally.batches == before:
            raise _no_batch()
        done += 1


def _no_truth(outputs: Any, batch: Any) -> None:
    del outputs, batch


def check_outputs(outputs: Any, batch: Any) -> None:
    """Hold outputs to what the batch says of them. Raises CaseCrash naming what came and what was expected."""
    tensors = outputs if isinstance(outputs, (list, tuple)) else (outputs,)
    expected = getattr(batch, "expected_outputs", None)
    if expected is not None and len(tensors) != expected:
        raise CaseCrash("wrong outputs: {} came, {} expected".format(_shapes(tensors), _count(expected)))
    size = getattr(batch, "size", None)
    if size is None:
        return
    for tensor in tensors:
        shape = getattr(tensor, "shape", None)
        if not shape or shape[0] != size:
            raise CaseCrash("wrong outputs: {} came, first dimension {} expected (the batch)".format(_shapes(tensors), size))


def _phase(sut: TimedSUT, tally: _Tally, wall_ns: int, warmed: int) -> Phase:
    whole_seconds = wall_ns / 1e9 - sut.foo_seconds
    core_seconds = sut.core_ns / 1e9
    return Phase(
        whole=tally.items / whole_seconds if whole_seconds > 0 else None,
        core=tally.items / core_seconds if core_seconds > 0 else None,
        accuracy=tally.accuracy,
        items=tally.items,
        queries=len(sut.latencies_ns),
        whole_seconds=whole_seconds,
        core_seconds=core_seconds,
        warmup_queries=warmed,
        foo_seconds=sut.foo_seconds,
        latency=latency(sut.latencies_ns),
    )


def _total_batches(dataloader: Any, config: Any) -> Optional[int]:
    known = hasattr(dataloader, "__len__") and not getattr(config, "min_seconds", 0.0)
    return config.repeat * len(dataloader) if known else None


def _no_batch() -> CaseCrash:
    return CaseCrash("the data set gave no batch; has it fewer items than batch_size?")


def _count(number: int) -> str:
    return "1 tensor" if number == 1 else "{} tensors".format(number)


def _shapes(tensors: Sequence[Any]) -> str:
    shapes = [str(list(tensor.shape)) if hasattr(tensor, "shape") else type(tensor).__name__ for tensor in tensors[:8]]
    more = ", …" if len(tensors) > 8 else ""
    return "{} ({}{})".format(_count(len(tensors)), ", ".join(shapes), more)
