"""The framework as an engine."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from tools.framework_engine import FrameworkEngine  # noqa: E402


class TwoHeads(torch.nn.Module):
    def __init__(self, shape_outputs):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self._shape_outputs = shape_outputs

    def forward(self, x):
        return self._shape_outputs(self.layer(x))


class FakeModelOutput(dict):
    """As transformers': a dict whose items are attributes too."""

    def __getattr__(self, name):
        return self.get(name)


def config(precision="fp32", threads=None):
    return SimpleNamespace(precision=precision, threads=threads)


@pytest.mark.parametrize(
    ("shape_outputs", "count"),
    [
        (lambda y: y, 1),
        (lambda y: (y, y), 2),
        (lambda y: {"start": y, "end": y, "cache": None}, 2),
        (lambda y: FakeModelOutput(logits=y, hidden=y), 1),
    ],
)
def test_whatever_a_model_returns_becomes_a_list_of_tensors(shape_outputs, count):
    outputs, foo_seconds = FrameworkEngine(TwoHeads(shape_outputs), config())([torch.ones(3, 2)])
    assert [list(output.shape) for output in outputs] == [[3, 2]] * count
    assert foo_seconds == 0.0


def test_nothing_is_kept_for_gradients():
    outputs, _ = FrameworkEngine(torch.nn.Linear(2, 2), config())([torch.ones(1, 2)])
    assert outputs[0].is_inference()


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_a_lower_precision_runs_on_a_copy_and_is_said(precision, dtype, monkeypatch):
    monkeypatch.setattr("tools.framework_engine.is_honoured", lambda: False)
    model = torch.nn.Linear(2, 2)
    engine = FrameworkEngine(model, config(precision))
    outputs, _ = engine([torch.ones(1, 2)])
    assert outputs[0].dtype == dtype
    assert model.weight.dtype == torch.float32
    assert engine.describe()["precision"] == precision
    assert engine.describe()["device"] == "cpu"


def test_int8_keeps_the_model_as_its_reference():
    assert FrameworkEngine(torch.nn.Linear(2, 2), config("int8")).describe()["precision"] == "fp32"


def test_the_model_is_in_evaluation_mode():
    model = torch.nn.Dropout()
    outputs, _ = FrameworkEngine(model, config())([torch.ones(100)])
    assert outputs[0].sum() == 100


def test_threads_are_taken_and_reported():
    before = torch.get_num_threads()
    try:
        assert FrameworkEngine(torch.nn.Linear(2, 2), config(threads=3)).describe()["threads"] == 3
    finally:
        torch.set_num_threads(before)


def test_integers_keep_their_type(monkeypatch):
    monkeypatch.setattr("tools.framework_engine.is_honoured", lambda: False)
    model = torch.nn.Embedding(3, 2)
    outputs, _ = FrameworkEngine(model, config("bf16"))([torch.tensor([0, 2])])
    assert outputs[0].dtype == torch.bfloat16


class SaysItsMode(torch.nn.Linear):
    """Notes oneDNN's fpmath mode while it runs."""

    def forward(self, x):
        self.mode = torch.backends.mkldnn.matmul.fp32_precision
        return super().forward(x)


@pytest.fixture
def cpu_with_fpmath(monkeypatch):
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no fpmath mode")
    monkeypatch.setattr("tools.framework_engine.is_honoured", lambda: True)


def test_bf16_on_a_cpu_that_honours_fpmath_leaves_the_model_in_fp32(cpu_with_fpmath):
    model = SaysItsMode(2, 2)
    engine = FrameworkEngine(model, config("bf16"))
    outputs, _ = engine([torch.ones(1, 2)])
    assert (model.mode, outputs[0].dtype) == ("bf16", torch.float32)
    assert engine.describe()["precision"] == "bf16"
    assert "fpmath" in engine.describe()["precision_by"]


def test_fpmath_is_back_to_what_it_was_after_a_query_and_after_an_error(cpu_with_fpmath):
    before = torch.backends.mkldnn.matmul.fp32_precision
    model = SaysItsMode(2, 2)
    engine = FrameworkEngine(model, config("bf16"))
    engine([torch.ones(1, 2)])
    with pytest.raises(RuntimeError):
        engine([torch.ones(1, 3)])
    assert (model.mode, torch.backends.mkldnn.matmul.fp32_precision) == ("bf16", before)


def test_a_reference_beside_fpmath_runs_in_fp32(cpu_with_fpmath):
    model = SaysItsMode(2, 2)
    reference = FrameworkEngine(model, config("bf16")).reference()
    reference([torch.ones(1, 2)])
    assert model.mode != "bf16"
    assert reference.describe()["precision"] == "fp32"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_reference_of_a_cast_copy_is_the_model_itself(precision):
    model = torch.nn.Linear(64, 64)
    engine, x = FrameworkEngine(model, config(precision)), torch.randn(1, 64)
    (own,), (reference,) = engine([x])[0], engine.reference()([x])[0]
    assert (own.dtype != reference.dtype) == (engine.describe()["precision_by"] == "a copy of the model, cast")
    assert torch.equal(reference, model(x))
    assert engine.reference().reference() is None


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_what_runs_in_fp32_is_its_own_reference(precision):
    assert FrameworkEngine(torch.nn.Linear(2, 2), config(precision)).reference() is None


def test_a_model_that_the_case_made_in_half_precision_has_a_reference_in_fp32():
    engine = FrameworkEngine(torch.nn.Linear(2, 2).half(), config("fp16"))
    assert engine.reference().describe()["precision"] == "fp32"
