"""The timed SUT: an engine of known latency is the ground truth."""

import numpy as np
import pytest

from tools import sut as sut_module
from tools.errors import CaseCrash
from tools.sut import TimedSUT

torch = pytest.importorskip("torch")
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402


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
        (([object()], 0.0), "([object], float)"),
        (([np.array(["a"])], 0.0), "([ndarray], float)"),
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


class Lazy:
    """An array of another library: computed when somebody looks, and already on the CPU, as far as it knows."""

    def __init__(self, clock, nanoseconds):
        self._clock, self._nanoseconds = clock, nanoseconds

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        self._clock.now += self._nanoseconds
        return np.arange(3.0, dtype=dtype)


class OnlyDLPack:
    """An array that numpy has no type for."""

    def __dlpack__(self, **options):
        return torch.ones(2, dtype=torch.bfloat16).__dlpack__()

    def __dlpack_device__(self):
        return 1, 0


class Named(torch.Tensor):
    """A subclass that adds nothing to its values."""


def fake_tensor():
    with FakeTensorMode():
        return torch.zeros(3)


def is_plain(tensor):
    return type(tensor) is torch.Tensor and (tensor.device.type, tensor.layout) == ("cpu", torch.strided)


def test_lazy_values_are_computed_within_their_query():
    clock = FakeClock()
    sut = TimedSUT(engine_returning(([Lazy(clock, 2_000_000)], 0.0), clock, 100), clock)
    (output,) = sut([])
    assert (list(sut.latencies_ns), is_plain(output), output.tolist()) == ([2_000_100], True, [0.0, 1.0, 2.0])


OUTPUTS = {
    "an array": lambda: np.ones(2),
    "an array that must not be written to": lambda: np.broadcast_to(np.ones(1), 2),
    "an array by DLPack alone": OnlyDLPack,
    "sparse": lambda: torch.ones(2).to_sparse(),
    "of oneDNN's layout": lambda: torch.ones(1, 2).to_mkldnn(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8),
    "a parameter": lambda: torch.nn.Parameter(torch.ones(2)),
    "of a subclass": lambda: torch.ones(2).as_subclass(Named),
}


@pytest.mark.filterwarnings("ignore")  # torch is about to drop quantised tensors
@pytest.mark.parametrize("kind", OUTPUTS)
def test_outputs_of_any_kind_become_dense_tensors_on_the_cpu(kind):
    (output,) = TimedSUT(engine_returning(([OUTPUTS[kind]()], 0.0)))([])
    assert is_plain(output)
    assert output.flatten().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("output", [fake_tensor(), torch.zeros(3, device="meta")])
def test_a_tensor_without_values_is_refused_and_told_what_to_return(output):
    with pytest.raises(CaseCrash, match="only stands for values; return tensors that hold them"):
        TimedSUT(engine_returning(([output], 0.0)))([])


def test_every_device_is_waited_for_within_each_query_also_one_that_an_engine_takes_later(monkeypatch):
    clock, in_use = FakeClock(), []

    def device_waits():
        return [lambda: setattr(clock, "now", clock.now + 1000) for _ in in_use]

    def engine(inputs):
        in_use.extend(["a device"] * (len(in_use) < 2))
        return [torch.zeros(1)], 0.0

    monkeypatch.setattr(sut_module, "device_waits", device_waits)
    sut = TimedSUT(engine, clock)
    for _ in range(4):
        sut([])
    assert list(sut.latencies_ns) == [1000, 2000, 2000, 2000]


def test_the_devices_are_listed_again_only_now_and_then(monkeypatch):
    listed = []
    monkeypatch.setattr(sut_module, "device_waits", lambda: listed.append(True) or [])
    sut = TimedSUT(engine_returning(([torch.zeros(1)], 0.0)))
    for _ in range(1000):
        sut([])
    assert len(listed) == 11


def test_outputs_of_the_first_second_fourth_query_and_so_on_are_kept():
    outputs = [torch.full((2,), float(number)) for number in range(1, 10)]
    answers = iter(outputs)
    sut = TimedSUT(lambda inputs: ([next(answers)], 0.0))
    given = [sut([])[0] for _ in outputs]
    assert [int(kept.tensors[0][0]) for kept in sut.kept] == [1, 2, 4, 8]
    assert [mine is its for mine, its in zip(given, outputs, strict=True)] == [
        False,
        False,
        True,
        False,
        *[True] * 3,
        False,
        True,
    ]


@pytest.mark.parametrize(("most_bytes", "kept"), [(4, 1), (8, 1), (16, 2), (31, 3), (1000, 4)])
def test_outputs_are_kept_as_long_as_there_is_room_and_those_of_the_first_query_always(most_bytes, kept):
    sut = TimedSUT(lambda inputs: ([torch.zeros(2)], 0.0), most_bytes=most_bytes)
    for _ in range(9):
        sut([])
    assert len(sut.kept) == kept
