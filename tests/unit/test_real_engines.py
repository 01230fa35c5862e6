"""The cases that ship on real engines: each precision through all four of MLPerf's scenarios, a profile, the switches."""

import json
import re

import pytest

for package in ("torch", "sklearn", "safetensors", "transformers", "onnxruntime", "openvino", "nncf", "mlperf_loadgen"):
    pytest.importorskip(package)

from case_support import case_runner, has_bf16  # noqa: E402

pytestmark = pytest.mark.xdist_group("real engines")  # in one worker, as they share what is exported and compiled
ALL = ("SingleStream", "MultiStream", "Server", "Offline")
LEAST = {"min_duration_ms": 200, "min_query_count": 1}
SHORT = {**dict.fromkeys(ALL, LEAST), "MultiStream": {**LEAST, "samples_per_query": 2}}
SCENARIOS = (f"scenarios=[{', '.join(ALL)}]", f"loadgen={json.dumps(SHORT)}")
CASES = {
    "digits": ("embedded", "batch_size=8"),
    "resnet50": ("synthetic", "batch_size=1", "max_samples=3", "calibration_samples=4"),
}
ONCE = ("percentiles=[]", "warmup=0")
ENGINES = [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "bf16"), ("openvino", "int8")]
WRONG = {"wrong outputs", "accuracy", "precision not active", "not verified"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all, so that each model is exported once."""
    return tmp_path_factory.mktemp("project")


@pytest.mark.slow
@pytest.mark.parametrize(("compiler", "precision"), ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_a_real_engine_goes_through_all_four_scenarios_in_its_precision(case, compiler, precision, folder, monkeypatch):
    if precision == "bf16" and not has_bf16():
        pytest.skip("this CPU has no bf16")
    measure = case_runner(folder, monkeypatch)
    result = measure(case, *CASES[case], *ONCE, *SCENARIOS, f"compiler={compiler}", f"precision={precision}")
    assert (result.engine["precision"], result.difference.nan) == (precision, 0)
    assert not WRONG & {reason.kind for reason in result.reasons}, result.reasons
    assert [(one.name, one.value > 0) for one in result.scenarios] == [(name, True) for name in ALL]
    assert {one.accuracy for one in result.scenarios} == {result.inference.accuracy}
    assert (result.inference.accuracy is None) == (case == "resnet50")  # synthetic images have no labels
    for one in result.scenarios:  # loadgen's rules want more queries than so short a test has, and an idle machine
        assert (one.status, {reason.kind for reason in one.reasons}) in (("OK", set()), ("INVALID", {"loadgen"})), one.reasons


@pytest.mark.parametrize(("compiler", "convolution"), [("onnxruntime", r"(Fused)?Conv"), ("openvino", r"Convolution \(.*f32\)")])
def test_a_profile_names_the_operators_of_framework_and_engine_beside_what_was_measured(
    compiler, convolution, folder, monkeypatch
):
    settings = (*CASES["digits"], *ONCE, "max_samples=64", f"compiler={compiler}", "profile=true")
    result = case_runner(folder, monkeypatch)("digits", *settings)
    framework, engine = result.profiles
    assert (framework.by, engine.by.split()[0]) == ("torch.profiler", compiler)
    assert {operator.name: operator.calls for operator in framework.operators}["aten::conv2d"] == 2
    assert sum(operator.calls for operator in engine.operators if re.fullmatch(convolution, operator.name)) == 2
    for profile in result.profiles:
        assert json.loads((folder / "log" / profile.trace).read_text())
        assert sum(operator.share for operator in profile.operators) == pytest.approx(1, abs=0.1)
    assert (result.inference.queries, result.inference.accuracy) == (8, result.validation.accuracy)


@pytest.fixture(scope="module")
def files(folder):
    """The ONNX file and the compiled file that a run left."""
    with pytest.MonkeyPatch.context() as patch:
        made = case_runner(folder, patch)("digits", *CASES["digits"], *ONCE, "compiler=onnxruntime", "compile_only=true")
    return {"onnx": made.artifacts["onnx"]["path"], "compiled": made.artifacts["compiled"]["path"]}


@pytest.mark.parametrize(
    ("switches", "skipped"),
    [
        ("", ""),
        ("exist_onnx_path={onnx}", "d"),
        ("exist_compiler_path={compiled}", "e"),
        ("exist_onnx_path={onnx} exist_compiler_path={compiled}", "de"),
        ("no_validation=true exist_onnx_path={onnx}", "cd"),
        ("no_validation=true exist_onnx_path={onnx} exist_compiler_path={compiled}", "cde"),
        ("compiler=null", "def"),
        ("compiler=null exist_onnx_path={onnx}", "def"),
    ],
)
def test_a_real_engine_gives_the_same_accuracy_whatever_the_switches_leave_out(switches, skipped, files, folder, monkeypatch):
    short = (*ONCE, "compiler=onnxruntime", "max_samples=16", *switches.format(**files).split())
    result = case_runner(folder, monkeypatch)("digits", *CASES["digits"], *short)
    assert "".join(step.letter for step in result.steps if step.outcome == "skipped") == skipped
    assert (result.validation is None, result.inference is None) == ("c" in skipped, "f" in skipped)
    assert {phase.accuracy for phase in (result.validation, result.inference) if phase} == {1.0}
    assert result.status in ("OK", "TAINTED"), result.reasons
