"""The timed SUT: an engine of known latency is the ground truth."""

import numpy as np
import pytest

from tools.errors import CaseCrash
from tools.sut import TimedSUT

torch = pytest.importorskip("torch")


class FakeClock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class SlowCopy:
    """An output whose copy to the CPU takes a while."""

    def __init__(self, clock, nanoseconds):
        self._clock, self._nanoseconds = clock, nanoseconds

    def cpu(self):
        self._clock.now += self._nanoseconds
        return torch.zeros(1)


def engine_returning(answer, clock=None, nanoseconds=0):
    def engine(inputs):
        if clock:
            clock.now += nanoseconds
        return answer

    return engine


def test_the_copy_to_the_cpu_counts():
    clock = FakeClock()
    sut = TimedSUT(engine_returning(([SlowCopy(clock, 30)], 0.0), clock, 100), clock)
    sut([])
    assert list(sut.latencies_ns) == [130]
    assert sut.core_ns == 130


def test_foo_time_is_subtracted_and_kept():
    clock = FakeClock()
    sut = TimedSUT(engine_returning(([torch.zeros(1)], 2e-6), clock, 10_000), clock)
    sut([])
    sut([])
    assert list(sut.latencies_ns) == [8000, 8000]
    assert sut.foo_seconds == pytest.approx(4e-6)


def test_one_stacked_tensor_becomes_a_list_of_its_outputs():
    outputs = TimedSUT(engine_returning((torch.zeros(2, 4, 10), 0.0)))([])
    assert [list(output.shape) for output in outputs] == [[4, 10], [4, 10]]


def test_a_tuple_of_outputs_becomes_a_list():
    outputs = TimedSUT(engine_returning(((torch.zeros(4), torch.ones(4)), 0.0)))([])
    assert isinstance(outputs, list)
    assert outputs[1].sum() == 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (torch.zeros(1), "Tensor"),
        ([torch.zeros(1)], "[Tensor]"),
        (([np.zeros(1)], 0.0), "([ndarray], float)"),
        ((None, 0.0), "(NoneType, float)"),
    ],
)
def test_what_is_not_an_answer_is_named(answer, said):
    with pytest.raises(CaseCrash) as caught:
        TimedSUT(engine_returning(answer))([])
    assert str(caught.value).endswith("but returned " + said)


def test_an_error_inside_the_engine_stays_what_it_is():
    def engine(inputs):
        raise ValueError("from the engine")

    with pytest.raises(ValueError, match="from the engine"):
        TimedSUT(engine)([])


@pytest.mark.parametrize("foo_seconds", [-1e-9, 1e-3])
def test_a_foo_time_below_zero_or_longer_than_the_query_is_no_answer(foo_seconds):
    clock = FakeClock()
    sut = TimedSUT(engine_returning(([torch.zeros(1)], foo_seconds), clock, 100_000), clock)
    with pytest.raises(CaseCrash, match="were foo_time"):
        sut([])
