"""Closed-loop clients: several threads that each send the next query when their last one is answered."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Dict, List, Sequence, Tuple

from tools.contract import Phase, Reason
from tools.dense import settled
from tools.device import device_waits
from tools.errors import CaseCrash
from tools.finite import Finiteness
from tools.goal import Goal
from tools.intervals import throughput_interval
from tools.kept_outputs import MOST_BYTES
from tools.late_outputs import late_reasons
from tools.outputs import check_outputs
from tools.statistics import latency
from tools.steadiness import doubts
from tools.sut import Clock, TimedSUT, foo_doubts
from tools.workload import Workload

LEAST_SECONDS = 2.0
"""The clients run at least this long, so that starting and ending them does not count."""

MOST_BATCHES = 64

SERIALISED = "the engine does not say that it can be called concurrently, so its calls took turns"


@dataclass(frozen=True)
class _Answer:
    ended_ns: int
    items: int
    latencies_ns: Sequence[int]


def is_concurrent(engine: Any) -> bool:
    """Whether the engine says that several threads may call it at once."""
    return hasattr(engine, "describe") and engine.describe().get("concurrent") is True


def measure_clients(
    engine: Any, workload: Workload, clients: int, clock: Clock = time.perf_counter_ns
) -> Tuple[Phase, Sequence[Tuple[int, Any]]]:
    """Let `clients` threads query the engine at once, and say how many items per second came through (core).

    Beside the figures come the outputs that each client got last for each batch, with the batch's number in the data set.

    A latency is what its client waits, taking turns with the others included where the engine cannot be called concurrently. The
    batches are loaded before. Runs until LEAST_SECONDS and what `Goal` asks for, but makes no whole passes.

    Raises CaseCrash for outputs that cannot be right, and whatever the engine raises.
    """
    batches = _loaded(workload)
    shared = engine if clients == 1 or is_concurrent(engine) else _TakingTurns(engine)
    crew = _Crew(workload, batches, Goal(workload.config), clock)
    with ThreadPoolExecutor(clients) as pool:
        suts = [TimedSUT(shared, clock, MOST_BYTES // clients) for _ in range(clients)]
        began = clock()
        running = [pool.submit(crew.run, sut, number) for number, sut in enumerate(suts)]
        try:
            answers = [answer for each in running for answer in each.result()]
        finally:
            crew.enough.set()  # one that failed, or Ctrl-C, must not leave the others running
    outputs = [pair for outputs in crew.outputs for pair in outputs.items()]
    wrong = (*_no_numbers(outputs, batches, suts[0]), *late_reasons(engine, workload, suts, clock))
    return _phase(answers, suts, began, wrong), outputs


class _TakingTurns:
    """An engine of which one call runs at a time, until its outputs are on the CPU: the next may write over them."""

    def __init__(self, engine: Any) -> None:
        self._engine, self._turn = engine, threading.Lock()

    def __call__(self, inputs: Sequence[Any]) -> Any:
        with self._turn:
            return settled(self._engine(inputs), device_waits())


class _Crew:
    """What the clients share: the batches, and when it is enough."""

    def __init__(self, workload: Workload, batches: Sequence[Any], goal: Goal, clock: Clock) -> None:
        self._workload, self._batches, self._clock = workload, batches, clock
        self._until = clock() + max(LEAST_SECONDS * 1e9, goal.core_ns)
        self._missing = goal.queries
        self._lock = threading.Lock()
        self.enough = threading.Event()
        self.outputs: List[Dict[int, Any]] = []

    def run(self, sut: TimedSUT, number: int) -> List[_Answer]:
        """Query until it is enough, starting at another batch than the other clients do."""
        answers: List[_Answer] = []
        kept: Dict[int, Any] = {}
        self.outputs.append(kept)
        while not self.enough.is_set():
            place = (number + len(answers)) % len(self._batches)
            batch = self._batches[place]
            queries = len(sut.latencies_ns)
            kept[place] = outputs = self._workload.forward(sut, batch, self._workload.config)
            check_outputs(outputs, batch)
            answers.append(_Answer(sut.ended_ns, batch.items, sut.latencies_ns[queries:]))
            self._count(len(sut.latencies_ns) - queries)
        return answers

    def _count(self, queries: int) -> None:
        with self._lock:
            self._missing -= queries
            if self._missing <= 0 and self._clock() >= self._until:
                self.enough.set()


def _loaded(workload: Workload) -> List[Any]:
    batches = list(islice(workload.dataloader, MOST_BATCHES))
    if not batches:
        raise CaseCrash("the data set gave no batch")
    return batches


def _no_numbers(outputs: Sequence[Tuple[int, Any]], batches: Sequence[Any], sut: TimedSUT) -> Sequence[Reason]:
    finiteness = Finiteness()
    for place, tensors in outputs:
        finiteness.see(tensors, batches[place], sut)
    return finiteness.reasons()


def _phase(answers: Sequence[_Answer], suts: Sequence[TimedSUT], began: int, wrong: Sequence[Reason] = ()) -> Phase:
    """Throughput over the wall clock; its interval from the gaps between one answer and the next, whoever's they are."""
    in_order = sorted(answers, key=lambda answer: answer.ended_ns)
    ended = [answer.ended_ns for answer in in_order]
    gaps = [after - before for before, after in zip([began, *ended], ended)]
    latencies = [latency_ns for answer in in_order for latency_ns in answer.latencies_ns]
    items, foo_seconds = sum(answer.items for answer in answers), sum(sut.foo_seconds for sut in suts)
    seconds = (ended[-1] - began) / 1e9
    return Phase(
        whole=None,
        core=items / seconds if seconds > 0 else None,
        accuracy=None,
        items=items,
        queries=len(latencies),
        whole_seconds=seconds,
        core_seconds=seconds,
        core_interval=throughput_interval(gaps, items / len(answers)),
        foo_seconds=foo_seconds,
        latency=latency(latencies),
        doubts=(*doubts(latencies), *foo_doubts(foo_seconds), *wrong),
    )
