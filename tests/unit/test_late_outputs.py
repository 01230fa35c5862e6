"""Outputs that are written after their query has ended, and what looks like it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch")
from loop_fakes import Batch, config, once  # noqa: E402

from tools import clients  # noqa: E402
from tools.clients import measure_clients  # noqa: E402
from tools.late_outputs import late_reasons  # noqa: E402
from tools.measure import measure  # noqa: E402
from tools.sut import TimedSUT  # noqa: E402
from tools.workload import Workload  # noqa: E402

BATCHES = [Batch(torch.full((4, 2), float(number)), 4) for number in range(1, 9)]


class Pipelined:
    """Writes the outputs of a query when the next one comes."""

    def __init__(self):
        self._due = []

    def __call__(self, inputs):
        for output, values in self._due:
            output.copy_(values)
        outputs = torch.zeros_like(inputs[0])
        self._due = [(outputs, 2 * inputs[0])]
        return [outputs], 0.0


class Worker:
    """Has a thread compute each query in `seconds`, and hands the outputs out at once: new ones, or the next of `buffers`."""

    def __init__(self, seconds=0.002, buffers=0):
        self._pool, self._seconds = ThreadPoolExecutor(1), seconds
        self._buffers, self._calls = [torch.zeros(4, 2) for _ in range(buffers)], 0
        self._slots = threading.Semaphore(max(1, buffers))

    def __call__(self, inputs):
        self._slots.acquire()
        self._calls += 1
        buffers = self._buffers or [torch.zeros_like(inputs[0])]
        outputs = buffers[self._calls % len(buffers)]
        self._pool.submit(self._write, outputs, 2 * inputs[0])
        return [outputs], 0.0

    def _write(self, outputs, values):
        time.sleep(self._seconds)
        outputs.copy_(values)
        self._slots.release()


class Reusing:
    """Writes its outputs into the next of so many `buffers`, before it returns."""

    def __init__(self, buffers):
        self._buffers, self._calls = torch.zeros(buffers, 4, 2), 0

    def __call__(self, inputs):
        self._calls += 1
        outputs = self._buffers[self._calls % len(self._buffers)]
        return [outputs.copy_(2 * inputs[0])], 0.0


def in_place(sut, batch, settings):
    (outputs,) = sut([batch.rows])
    return [outputs.add_(1.0)]


def reasons(engine, forward=once, passes=5):
    sut, workload = TimedSUT(engine), Workload(BATCHES, forward, None, config())
    for batch in BATCHES * passes:
        forward(sut, batch, workload.config)
    return late_reasons(engine, workload, (sut,), time.perf_counter_ns)


@pytest.mark.parametrize("engine", [Pipelined(), Worker(), Worker(buffers=1), Worker(buffers=3)])
def test_outputs_that_are_written_after_their_query_are_wrong(engine):
    (late,) = reasons(engine)
    assert late.kind == "wrong outputs"
    assert "queries that were looked at again have changed since the query ended" in late.message


@pytest.mark.parametrize("buffers", [1, 3, 40])
def test_an_engine_may_write_its_next_outputs_over_its_last_ones(buffers):
    assert reasons(Reusing(buffers)) == ()


def test_a_case_may_write_into_the_outputs_that_it_gets():
    assert reasons(lambda inputs: ([2 * inputs[0]], 0.0), in_place) == ()
    assert reasons(Reusing(3), in_place) == ()


def test_an_engine_may_have_memory_of_its_own_for_each_thread(monkeypatch):
    monkeypatch.setattr(clients, "LEAST_SECONDS", 0.1)
    engines = threading.local()

    def engine(inputs):
        engines.own = getattr(engines, "own", None) or Reusing(2)
        return engines.own(inputs)

    engine.describe = lambda: {"concurrent": True}
    phase, _ = measure_clients(engine, Workload(BATCHES, once, None, config()), 2)
    assert "wrong outputs" not in [doubt.kind for doubt in phase.doubts]


def test_a_cache_that_goes_in_and_out_is_the_cases_own():
    def tokens(sut, batch, settings):
        cache = batch.rows.clone()
        for _ in range(3):
            cache = sut([cache, 1])[0]
        return [cache]

    assert reasons(lambda inputs: ([inputs[0].add_(1.0)], 0.0), tokens) == ()


def test_sparse_inputs_are_no_memory_that_outputs_could_lie_in():
    sparse, sut = torch.eye(3).to_sparse(), TimedSUT(lambda inputs: ([inputs[0].to_dense()], 0.0))
    assert torch.equal(sut([sparse])[0], torch.eye(3))


def test_outputs_that_are_not_numbers_have_not_changed():
    assert reasons(lambda inputs: ([inputs[0] * float("nan")], 0.0)) == ()


def test_a_part_of_a_large_output_that_is_written_late_is_seen():
    def engine(inputs):
        outputs = torch.ones(300_000)
        threading.Timer(0.01, outputs[-20:].zero_).start()
        return [outputs], 0.0

    assert len(reasons(engine, passes=1)) == 1


def test_the_measuring_loop_says_so_where_nobody_judges():
    phase = measure(Worker(), BATCHES, once, None, config(warmup=1), "inference").phase
    assert "wrong outputs" in [doubt.kind for doubt in phase.doubts]


def test_clients_say_so(monkeypatch):
    monkeypatch.setattr(clients, "LEAST_SECONDS", 0.1)
    phase, _ = measure_clients(Worker(), Workload(BATCHES, once, None, config()), 2)
    assert "wrong outputs" in [doubt.kind for doubt in phase.doubts]
