"""Concurrent closed-loop clients, against engines that sleep on the real clock: threads can have no other."""

import threading
import time
from types import SimpleNamespace

import pytest
import torch
from loop_fakes import Batch, FakeClock, FakeEngine, batches, config, once

from tools import clients
from tools.clients import is_concurrent, measure_clients
from tools.errors import CaseCrash
from tools.workload import Workload


class Sleeper:
    """Takes some ms and counts how many calls were in it at once."""

    def __init__(self, concurrent, seconds=0.004):
        self._concurrent, self._seconds = concurrent, seconds
        self._lock, self._inside, self.most = threading.Lock(), 0, 0

    def describe(self):
        return {"concurrent": self._concurrent}

    def __call__(self, inputs):
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(self._seconds)
        with self._lock:
            self._inside -= 1
        return [inputs[0]], 0.0


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(clients, "LEAST_SECONDS", 0.3)


def workload(forward=once, **settings):
    return Workload(batches(4, 4, 2), forward, None, config(**settings))


def compared(engine, clients, fact):
    """Whether a fact of one client's phase and of several's is so; a busy machine may stall either, but not every time."""
    return any(fact(*(measure_clients(engine, workload(), number)[0] for number in (1, clients))) for _ in range(10))


def test_an_engine_that_can_be_called_concurrently_is():
    engine = Sleeper(True)
    assert compared(engine, 4, lambda one, four: four.core > 2.5 * one.core)
    assert engine.most == 4


def test_any_other_takes_turns_and_its_clients_wait():
    engine = Sleeper(None)
    assert compared(engine, 3, lambda one, three: 0.7 * one.core < three.core < 1.3 * one.core)
    assert compared(engine, 3, lambda one, three: three.latency.mean_ns > 2 * one.latency.mean_ns)
    assert engine.most == 1


def test_a_turn_ends_when_the_outputs_are_on_the_cpu():
    """As the next query may write over what is still on the device."""

    class OnDevice(Sleeper):
        def __call__(self, inputs):
            (rows,), foo = super().__call__(inputs)
            self.buffer = rows + inputs[0]
            return [SimpleNamespace(cpu=self.copied)], foo

        def copied(self):
            time.sleep(0.01)  # longer than the next call takes
            return self.buffer.clone()

    data = [Batch(torch.full((4, 2), float(number)), 4) for number in range(3)]
    _, outputs = measure_clients(OnDevice(False), Workload(data, once, None, config()), 3)
    assert all((tensor == 2 * number).all() for number, (tensor,) in outputs)


def test_items_are_counted_without_padding_and_throughput_is_over_the_wall_clock():
    phase, _ = measure_clients(Sleeper(True), workload(), 2)
    assert phase.items < 4 * phase.queries
    assert phase.core == pytest.approx(phase.items / phase.core_seconds)
    assert phase.core_interval.low <= phase.core <= phase.core_interval.high


def test_clients_go_on_until_the_percentiles_have_their_queries():
    assert measure_clients(Sleeper(True, seconds=0.001), workload(percentiles=(99.0,)), 2)[0].queries >= 662


def test_the_outputs_that_each_client_got_are_kept_with_their_batchs_number():
    _, outputs = measure_clients(Sleeper(True), workload(), 2)
    assert sorted({number for number, _ in outputs}) == [0, 1, 2]
    assert all(list(tensor.shape) == [4, 2] for _, (tensor,) in outputs)


def test_an_engine_that_fails_ends_all_clients_and_is_heard():
    def fail(inputs):
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        measure_clients(fail, workload(), 3)


def test_outputs_that_cannot_be_right_are_refused():
    with pytest.raises(CaseCrash, match="wrong outputs"):
        measure_clients(Sleeper(True), workload(forward=lambda sut, batch, settings: sut([batch.rows]) * 2), 2)


def test_latencies_are_judged_in_the_order_of_their_calls_whoever_made_them():
    """One client always waits twice as long as the other: two kinds of calls, but no change over the run."""
    answers = [
        clients._Answer(number * 10**6, 1, [10**6 * (1 + who) + number % 7 * 1000]) for who in (0, 1) for number in range(1, 201)
    ]
    phase = clients._phase(answers, [], 0)
    assert (phase.queries, [doubt.kind for doubt in phase.doubts]) == (400, ["bimodal"])


def test_what_the_engine_declares_as_not_inference_is_a_doubt_and_there_is_no_whole():
    phase, _ = measure_clients(lambda inputs: (time.sleep(0.001), ([inputs[0]], 1e-6))[1], workload(), 2)
    assert [doubt.kind for doubt in phase.doubts if doubt.kind == "foo_time"] == ["foo_time"]
    assert (phase.foo_seconds > 0, phase.whole) == (True, None)


def test_whether_an_engine_can_be_called_concurrently_is_what_it_says():
    assert is_concurrent(Sleeper(True))
    assert not is_concurrent(Sleeper("yes"))
    assert not is_concurrent(FakeEngine(FakeClock(), [1.0]))
