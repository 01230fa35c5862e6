"""Exporting a torch model once."""

import copy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from case_support import case_config  # noqa: E402

from tools import onnx_export  # noqa: E402
from tools.errors import CaseCrash  # noqa: E402


class Scale(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.full((3,), factor))

    def forward(self, x):
        return x * self.factor


class NotExportable(torch.nn.Module):
    def forward(self, x):
        return x if float(x.sum()) > 0 else -x


class NotConvertible(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.eigh(x @ x.T)[0]


def config(tmp_path, **changes):
    return case_config("digits", tmp_path, "embedded", batch_size=2, **changes)


def export(model, settings, batch=2):
    return onnx_export.export(model, settings, [torch.ones(batch, 3)], ["input"], ["output"])


def batch_dimension(path):
    dimension = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0]
    return dimension.dim_param or dimension.dim_value


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("perf")
    return config(folder), export(Scale(), config(folder))


def test_the_file_lies_in_onnxs_with_the_asked_opset_and_names(exported):
    settings, path = exported
    model = onnx.load(path)
    assert Path(path).parent.parent == Path(settings.perf_dir) / "onnxs"
    assert [port.name for port in (*model.graph.input, *model.graph.output)] == ["input", "output"]
    assert model.opset_import[0].version == settings.opset == 18
    assert batch_dimension(path) == 2


def test_a_second_export_finds_the_first_ones_file(exported, monkeypatch):
    settings, path = exported
    written = Path(path).stat().st_mtime_ns
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("exported again"))
    monkeypatch.setattr(onnx_export, "_has_dynamo", lambda: True)
    assert export(Scale(), settings) == path
    assert Path(path).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("model", "changes", "batch"),
    [
        (Scale(3.0), {}, 2),
        (Scale(), {"opset": 20}, 2),
        (Scale(), {"dynamic_batch": True}, 2),
        (Scale(), {}, 4),
        (torch.nn.Sequential(Scale()), {}, 2),
        (Scale().double(), {}, 2),
    ],
)
def test_whatever_shapes_the_file_is_in_its_key(exported, monkeypatch, model, changes, batch):
    settings, path = exported
    asked = []
    monkeypatch.setattr(onnx_export, "cached_folder", lambda folder, make: asked.append(folder))
    export(model, settings._replace(**changes), batch)
    assert asked[0] != Path(path).parent


def test_an_open_batch_takes_any_size_though_shown_one(tmp_path):
    path = export(Scale(), config(tmp_path, dynamic_batch=True), batch=1)
    assert batch_dimension(path) == "batch"


def test_weights_lie_beside_the_file_where_an_engine_finds_them(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, rows = torch.nn.Linear(64, 64), torch.ones(2, 64)
    path = onnx_export.export(model, config(tmp_path), [rows], ["input"], ["output"])
    assert {file.name for file in Path(path).parent.iterdir()} == {"model.onnx", "model.onnx.data"}
    assert Path(path).stat().st_size < 64 * 64 * 4 <= Path(path + ".data").stat().st_size
    (found,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": rows.numpy()})
    assert torch.allclose(torch.from_numpy(found), model(rows), atol=1e-5)


def test_a_file_that_the_checker_rejects_is_an_error_and_not_kept(tmp_path, monkeypatch):
    def export_nonsense(model, inputs, path, **options):
        graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["nowhere"], ["output"])], "g", [], [])
        onnx.save(onnx.helper.make_model(graph), path)

    monkeypatch.setattr(onnx_export, "_has_dynamo", lambda: True)
    monkeypatch.setattr(torch.onnx, "export", export_nonsense)
    with pytest.raises(CaseCrash, match="^ONNX export failed: ValidationError: .*; try another opset than 18"):
        export(Scale(), config(tmp_path))
    assert not list((tmp_path / "onnxs").glob("digits*"))


def test_an_older_torch_exports_by_torchscript(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "_has_dynamo", lambda: False)
    real = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **options: real(*given, dynamo=False, **options))
    path = export(Scale(), config(tmp_path, opset=17, dynamic_batch=True))
    assert batch_dimension(path) == "batch"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (NotExportable(), r"GuardOnDataDependentSymNode: Could not.*; change the model where torch.export .*exist_onnx_path"),
        (NotConvertible(), r"DispatchError: No ONNX function found for .*; try another opset than 18, or .*exist_onnx_path"),
    ],
)
def test_a_model_that_cannot_be_exported_is_an_error_that_says_why_and_what_to_try(tmp_path, model, said):
    with pytest.raises(CaseCrash, match=f"^ONNX export failed: {said}"):
        export(model, config(tmp_path))
    assert not list((tmp_path / "onnxs").glob("digits*"))


def test_exporting_says_nothing_and_leaves_the_model_as_it_was(tmp_path, capfd):
    model = Scale().train()
    before = copy.deepcopy(model.state_dict())
    export(model, config(tmp_path))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert capfd.readouterr() == ("", "")
