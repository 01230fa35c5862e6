"""Every CPU engine against the framework, on the case digits."""

import importlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("safetensors")

from case_support import ROOT, case_config  # noqa: E402

from benchmarks.digits import pytorch as digits  # noqa: E402
from tools.errors import ConfigError  # noqa: E402

INDUCTOR = pytest.param("inductor", marks=pytest.mark.slow)
FROM_FILES = ("onnxruntime", "openvino")


def build(engine, config, onnx_path, model=None):
    if engine != "inductor":
        pytest.importorskip(engine)
    module = importlib.import_module("inference_engine.cpu." + engine)
    return module.InferModel(config._replace(compiler=engine), onnx_path, model)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return case_config("digits", tmp_path_factory.mktemp("perf"), "embedded", repeat=1, warmup=0, percentiles=())


@pytest.fixture(scope="module")
def model(config):
    return digits.create_model(config)


@pytest.fixture(scope="module")
def onnx_path(config, model):
    return digits.export_model(model, config)


@pytest.fixture
def _two_threads():
    """What torch has set, and gets back."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def batches(config):
    return list(digits.build_dataloader(config))


@pytest.mark.parametrize("engine", [*FROM_FILES, INDUCTOR])
def test_fp32_outputs_and_accuracy_are_the_frameworks(engine, config, model, onnx_path, batches):
    engine = build(engine, config, onnx_path, model)
    for batch in batches[:3]:
        (output,), foo_time = engine(batch.inputs)
        with torch.no_grad():
            torch.testing.assert_close(output, model(batch.inputs[0]), rtol=1e-4, atol=1e-4)
        assert foo_time == 0.0
    measured = digits.engine_forward(engine, batches, digits.evaluator, config)
    assert measured.phase.accuracy == digits.model_forward(model, batches, digits.evaluator, config).phase.accuracy
    assert engine.describe()["precision"] == "fp32"


@pytest.mark.parametrize("engine", FROM_FILES)
def test_outputs_are_not_overwritten_by_the_next_query(engine, config, onnx_path, batches):
    engine = build(engine, config, onnx_path)
    (first,), _ = engine(batches[0].inputs)
    kept = first.clone()
    engine(batches[1].inputs)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("engine", FROM_FILES)
def test_a_compiled_file_is_found_again_and_can_be_given(engine, config, onnx_path, batches):
    build(engine, config, onnx_path)
    again = build(engine, config, onnx_path)
    said = again.describe()
    assert said["compiled_file_cached"]
    given = build(engine, config._replace(exist_compiler_path=said["compiled_file"]), None)
    assert torch.equal(given(batches[0].inputs)[0][0], again(batches[0].inputs)[0][0])


@pytest.mark.parametrize("engine", FROM_FILES)
def test_another_onnx_file_is_compiled_anew(engine, config, onnx_path, model):
    other = digits.export_model(model, config._replace(batch_size=4))
    files = {build(engine, config, path).describe()["compiled_file"] for path in (onnx_path, other)}
    assert len(files) == 2


@pytest.mark.parametrize("engine", FROM_FILES)
def test_an_open_batch_takes_any_size(engine, config, model, batches):
    settings = config._replace(dynamic_batch=True)
    engine = build(engine, settings, digits.export_model(model, settings))
    for size in (1, 3, 8):
        (output,), _ = engine([batches[0].inputs[0][:size]])
        assert output.shape == (size, 10)


@pytest.mark.parametrize("engine", [*FROM_FILES, "inductor"])
@pytest.mark.usefixtures("_two_threads")
def test_threads_are_taken_and_reported(engine, config, model):
    """For inductor without an ONNX file, with which it compiles at once."""
    path = digits.export_model(model, config) if engine in FROM_FILES else None
    assert build(engine, config._replace(threads=1), path, model).describe()["threads"] == 1


def test_onnxruntime_says_what_its_session_has_and_not_what_was_asked_for(config, onnx_path):
    engine = build("onnxruntime", config._replace(threads=2), onnx_path)
    engine._session = build("onnxruntime", config._replace(threads=3), onnx_path)._session
    assert engine.describe()["threads"] == 3
    assert build("onnxruntime", config._replace(threads=None), onnx_path).describe()["threads"] is None


def test_openvino_compiles_an_onnx_file_given_as_its_own(config, onnx_path, batches):
    engine = build("openvino", config._replace(exist_compiler_path=onnx_path), None)
    assert engine(batches[0].inputs)[0][0].shape == (8, 10)


@pytest.mark.slow
def test_inductor_says_whether_its_kernels_were_in_the_cache(config, monkeypatch, tmp_path):
    from torch._dynamo.utils import counters

    monkeypatch.setitem(counters, "inductor", Counter())  # they count all that the process compiled
    model, rows = torch.nn.Linear(8, 2).eval(), torch.ones(4, 8)
    said = []
    for _ in range(2):
        torch._dynamo.reset()  # forgets what is in memory
        engine = build("inductor", config._replace(perf_dir=str(tmp_path)), None, model)
        assert torch.allclose(engine([rows])[0][0], model(rows), atol=1e-5)
        said.append(engine.describe()["compiled_file_cached"])
    assert said == [False, True]
    assert list((tmp_path / "onnxs" / "inductor").iterdir())


def test_inductor_needs_the_model(config, onnx_path):
    with pytest.raises(ConfigError, match="set no_validation: false"):
        build("inductor", config, onnx_path, None)


def test_inductor_has_no_file_to_load(config, onnx_path, model):
    with pytest.raises(ConfigError, match="set exist_compiler_path: null"):
        build("inductor", config._replace(exist_compiler_path=onnx_path), onnx_path, model)


def test_inductor_says_that_it_finds_no_compiler(config, onnx_path, model, monkeypatch):
    monkeypatch.setenv("CXX", "c++-of-nobody")
    with pytest.raises(ConfigError, match=r"c\+\+-of-nobody is not where this case runs; install g\+\+ there"):
        build("inductor", config, onnx_path, model)


@pytest.mark.slow
def test_inductor_does_without_openssl(config, monkeypatch, tmp_path):
    from torch._inductor import config as inductor_config

    monkeypatch.setattr(inductor_config, "cpp_cache_precompile_headers", True)
    for name in ("g++", "as", "ld"):
        (tmp_path / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    model, rows = torch.nn.GELU(), torch.ones(4, 8)
    engine = build("inductor", config._replace(perf_dir=str(tmp_path)), None, model)
    assert torch.allclose(engine([rows])[0][0], model(rows), atol=1e-5)


def test_an_engine_named_like_its_library_imports_the_library():
    onnxruntime = pytest.importorskip("onnxruntime")
    module = importlib.import_module("inference_engine.cpu.onnxruntime")
    assert module.onnxruntime is onnxruntime
    assert not Path(onnxruntime.__file__).is_relative_to(ROOT / "inference_engine")


def test_openvino_does_not_report_to_its_makers():
    pytest.importorskip("openvino")
    asked = "import inference_engine.cpu.openvino; from openvino.tools.ovc import telemetry; print(type(telemetry).__module__)"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"


def signal_stack(folder, *lines):
    """`(flags, size)` of a fresh process's alternate signal stack after `lines`."""
    script = folder / "stack.py"
    ask = "stack = _Stack()\nctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))\nprint(stack.flags, stack.size)\n"
    script.write_text("\n".join([f"import ctypes, sys\nsys.path.insert(0, {str(ROOT)!r})", *lines, ask]))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()


def test_openvino_leaves_no_signal_stack_behind_that_a_later_signal_would_crash_on(onnx_path, config, batches, tmp_path):
    pytest.importorskip("openvino")
    shape = list(batches[0].inputs[0].shape)
    lines = [
        "from types import SimpleNamespace",
        "import torch",
        "from tools.signal_stack import _Stack",
        "from inference_engine.cpu.openvino import InferModel",
        f"config = SimpleNamespace(**{config._replace(compiler='openvino')._asdict()!r})",
    ]
    run = [f"engine = InferModel(config, {onnx_path!r}, None)", f"engine([torch.zeros({shape})])"]
    assert signal_stack(tmp_path, *lines, *run) == signal_stack(tmp_path, *lines)
