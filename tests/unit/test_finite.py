"""Outputs that are no numbers, wherever somebody could look at them."""

import pytest

torch = pytest.importorskip("torch")
from loop_fakes import Batch, FakeClock, FakeEngine, batches, config, half_right, once  # noqa: E402

from tools import clients  # noqa: E402
from tools.clients import measure_clients  # noqa: E402
from tools.finite import Finiteness  # noqa: E402
from tools.load_samples import Judge  # noqa: E402
from tools.measure import measure  # noqa: E402
from tools.sut import TimedSUT  # noqa: E402
from tools.workload import Workload  # noqa: E402

NAN, INFINITY = float("nan"), float("inf")
SUT = TimedSUT(None)


def looked_at(rows, items=4, dtype=torch.float32):
    found = Finiteness()
    found.see([torch.tensor(rows).to(dtype)], Batch(None, items), SUT)
    return found


def messages(phase):
    return [doubt.message for doubt in phase.doubts if doubt.kind == "wrong outputs"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64])
def test_items_with_nan_are_counted_and_said(dtype):
    found = looked_at([[1.0, 2.0], [NAN, 1.0], [NAN, NAN], [0.0, 0.0]], dtype=dtype)
    (reason,) = found.reasons()
    assert (reason.kind, found.nan, found.infinite) == ("wrong outputs", 2, 0)
    assert reason.message.startswith("NaN in the outputs of 2 of 4 items; look for a diverged checkpoint")


@pytest.mark.skipif(not hasattr(torch, "float8_e4m3fn"), reason="this torch has no float8")
def test_float8_is_looked_at_too():
    found = Finiteness()
    found.see([torch.tensor([[1.0], [NAN], [2.0], [0.0]]).to(torch.float8_e4m3fn)], Batch(None, 4), SUT)
    assert found.nan == 1


def test_padding_may_be_anything():
    assert looked_at([[1.0], [1.0], [1.0], [NAN]], items=3).reasons() == ()


def test_an_infinity_beside_numbers_may_be_a_mask_but_an_item_of_nothing_else_is_none():
    assert looked_at([[1.0, -INFINITY], [INFINITY, -INFINITY], [0.0, 1.0], [0.0, 1.0]]).infinite == 1
    assert looked_at([[1.0, -INFINITY]] * 4).reasons() == ()


def test_what_overflows_is_no_number_also_beside_numbers():
    found = looked_at([[1.0, INFINITY], [1.0, -INFINITY], [NAN, INFINITY], [0.0, 1.0]])
    assert (found.nan, found.infinite, found.overflown) == (1, 0, 1)
    assert found.reasons()[0].message.startswith("NaN in the outputs of 1 of 4 items, +inf in")


def test_large_numbers_whose_sum_overflows_are_numbers():
    assert looked_at([[6e4] * 8] * 4, dtype=torch.float16).reasons() == ()


def test_an_item_has_numbers_if_any_of_its_outputs_has():
    found = Finiteness()
    found.see([torch.zeros(4, 2), torch.full((4, 3), -INFINITY)], Batch(None, 4), SUT)
    assert found.reasons() == ()


def test_outputs_without_a_batch_dimension_are_all_items():
    found = Finiteness()
    found.see({"boxes": [torch.full((7, 4), NAN)]}, Batch(None, 4), SUT)
    assert found.nan == 4


def test_where_the_case_makes_no_numbers_of_them_the_engines_own_outputs_are_looked_at():
    clock = FakeClock()
    engine = lambda inputs: (clock.advance(1.0), ([inputs[0] * NAN], 0.0))[1]
    texts = lambda sut, batch, settings: ["text" for _ in sut([batch.rows])]
    data = [Batch(torch.zeros(4, 2), items, size=None, expected_outputs=None) for items in (4, 2)]
    phase = measure(engine, data, texts, None, config(), "inference", clock=clock).phase
    assert messages(phase)[0].startswith("NaN in the outputs of 6 of 6 items")


class OneRowOfAThousand(FakeEngine):
    def __call__(self, inputs):
        (rows,), foo = super().__call__(inputs)
        return [rows.index_fill(0, torch.tensor(2), NAN) if self.calls == 200 else rows], foo


@pytest.mark.parametrize(("seconds", "evaluator"), [(1e-6, half_right), (1e-3, None)])
@pytest.mark.parametrize("phase", ["validation", "inference"])
def test_one_item_of_a_thousand_is_not_missed(phase, seconds, evaluator):
    """Whether somebody scores it, or, where a query takes its time, nobody does."""
    clock = FakeClock()
    measured = measure(OneRowOfAThousand(clock, [seconds]), batches(4) * 250, once, evaluator, config(), phase, clock=clock)
    assert messages(measured.phase)[0].startswith("NaN in the outputs of 1 of 1,000 items")


def test_clients_look_at_the_last_outputs_of_each(monkeypatch):
    monkeypatch.setattr(clients, "LEAST_SECONDS", 0.05)
    work = Workload(batches(4), once, None, config())
    phase, _ = measure_clients(lambda inputs: ([inputs[0] * NAN], 0.0), work, 2)
    assert messages(phase)[0].startswith("NaN in the outputs of 8 of 8 items")


def test_loadgens_accuracy_test_looks_at_each_sample():
    judge = Judge(Workload(None, once, None, config()))
    judge([torch.full((4, 2), NAN)], Batch(None, 4), SUT)
    assert judge.reasons()[0].message.startswith("NaN in the outputs of 4 of 4 items")
