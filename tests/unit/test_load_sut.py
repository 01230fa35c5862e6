"""The system under test, asked by a loadgen that only keeps what it is told."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from tools import load_sut
from tools.load_samples import Judge, Samples, Work
from tools.load_sut import LoadSUT, QueuedSUT
from tools.workload import Workload


class Loadgen:
    """`done` are the ids in the order of their completion."""

    def __init__(self):
        self.done = []

    def QuerySampleResponse(self, number, data, size):
        return number

    def QuerySamplesComplete(self, responses):
        self.done += responses


class Loader:
    dataset = tuple(range(100, 110))

    @staticmethod
    def collate_fn(items):
        return SimpleNamespace(items=len(items), inputs=[np.array(items)])


class Engine:
    """Gives back its inputs; `asked` are they."""

    def __init__(self, fails_at=None):
        self.fails_at, self.asked = fails_at, []

    def __call__(self, inputs):
        self.asked.append(list(inputs[0]))
        if len(self.asked) == self.fails_at:
            raise RuntimeError("broken")
        return [inputs[0]], 0.0


def query(*indices, first=0):
    return [SimpleNamespace(id=first + number, index=index) for number, index in enumerate(indices)]


WORKLOAD = Workload(
    Loader(),
    lambda sut, batch, config: sut(batch.inputs),
    lambda outputs, batch: (sum(value != 103 for value in outputs[0]), batch.items),
    SimpleNamespace(batch_size=2),
)


def make(engine, kind=LoadSUT, judge=None, **options):
    lg, samples = Loadgen(), Samples(WORKLOAD, singly=True, together=True)
    sut = kind(lg, engine, Work(WORKLOAD, samples, judge), **options)
    sut.load(range(10))
    return lg, sut


def test_a_query_is_answered_in_batches_of_batch_size():
    engine = Engine()
    lg, sut = make(engine)
    sut.issue(query(0, 1, 2, 3, 4))
    assert engine.asked == [[100, 101], [102, 103], [104]]
    assert lg.done == [0, 1, 2, 3, 4]
    assert (len(sut.latencies_ns), sut.asked) == (1, 5)


def test_after_an_error_everything_is_answered_once_and_nothing_computed():
    engine = Engine(fails_at=2)
    lg, sut = make(engine)
    sut.issue(query(0, 1, 2, 3, 4))
    sut.issue(query(5, first=5))
    assert lg.done == [0, 1, 2, 3, 4, 5]
    assert len(engine.asked) == 2
    assert str(sut.error) == "broken"


def test_a_sample_that_cannot_be_loaded_is_an_error_too():
    _, sut = make(Engine())
    sut.load([10])
    assert isinstance(sut.error, IndexError)


def test_unloaded_samples_are_gone():
    _, sut = make(Engine())
    sut.unload([0])
    sut.issue(query(0))
    assert isinstance(sut.error, KeyError)


def test_each_sample_is_judged_once_however_often_it_is_sent():
    judge = Judge(WORKLOAD)
    lg, sut = make(Engine(), judge=judge)
    sut.issue(query(1, 2, 3))
    sut.issue(query(3, 1, 2, 4, first=3))
    assert judge.accuracy == 3 / 4
    assert lg.done == list(range(7))


def test_without_truth_there_is_no_accuracy():
    assert Judge(Workload(Loader(), WORKLOAD.forward, None, WORKLOAD.config)).accuracy is None


def test_an_interrupt_between_queries_ends_the_computing_and_one_within_breaks_the_query_off():
    engine = Engine()
    lg, sut = make(engine)
    sut.interrupt()
    sut.issue(query(0))
    assert (engine.asked, lg.done, type(sut.error)) == ([], [0], KeyboardInterrupt)
    lg, sut = make(lambda inputs: sut.interrupt())
    sut.issue(query(0))
    assert (lg.done, type(sut.error)) == ([0], KeyboardInterrupt)


def test_an_interrupt_breaks_off_no_query_of_another_thread():
    """Raised in the main thread, which computes nothing then, it would end the run under loadgen's own threads."""
    computing, go_on = threading.Event(), threading.Event()

    def engine(inputs):
        computing.set()
        assert go_on.wait(60)
        return [inputs[0]], 0.0

    lg, sut = make(engine, QueuedSUT, clients=2)
    other = threading.Thread(target=sut.answer, args=([0], [0], sut._suts[1]))
    other.start()
    assert computing.wait(60)
    try:
        sut.interrupt()
    except KeyboardInterrupt:
        pytest.fail("raised where nothing is computed")
    finally:
        go_on.set()
        other.join()
    assert (lg.done, type(sut.error)) == ([0], KeyboardInterrupt)


@pytest.mark.parametrize("clients", [1, 3])
def test_queued_queries_are_answered_after_they_were_issued(clients):
    engine = Engine()
    lg, sut = make(engine, QueuedSUT, clients=clients)

    def test():
        for number in range(10):
            sut.issue(query(number, first=number))
        sut.flush()

    sut.run(test)
    assert sorted(lg.done) == list(range(10))
    assert sorted(engine.asked) == [[100 + number] for number in range(10)]


def test_after_an_error_queued_queries_are_held_until_loadgen_has_sent_all():
    lg, sut = make(Engine(fails_at=1), QueuedSUT)
    seen = []

    def test():
        for number in range(10):
            sut.issue(query(number, first=number))
        seen.extend(lg.done)
        sut.flush()

    sut.run(test)
    assert seen == []
    assert sorted(lg.done) == list(range(10))
    assert str(sut.error) == "broken"


def test_an_error_of_loadgens_own_ends_the_waiting():
    def broken():
        raise RuntimeError("bad_alloc")

    _, sut = make(Engine(), QueuedSUT)
    sut.run(broken)
    assert str(sut.error) == "bad_alloc"


def test_an_interrupted_test_that_never_ends_is_left_to_its_thread(monkeypatch):
    monkeypatch.setattr(load_sut, "LEAVE_SECONDS", 0.0)
    monkeypatch.setattr(load_sut, "POLL_SECONDS", 0.01)
    _, sut = make(Engine(), QueuedSUT, clients=2)

    def never_ends():
        sut.interrupt()
        threading.Event().wait()

    sut.run(never_ends)
    assert (sut.left, type(sut.error)) == (True, KeyboardInterrupt)
