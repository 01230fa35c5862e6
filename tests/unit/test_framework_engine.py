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
def test_a_lower_precision_runs_on_a_copy_and_is_said(precision, dtype):
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


def test_integers_keep_their_type():
    model = torch.nn.Embedding(3, 2)
    outputs, _ = FrameworkEngine(model, config("bf16"))([torch.tensor([0, 2])])
    assert outputs[0].dtype == torch.bfloat16
