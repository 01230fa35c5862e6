"""The cases that ship on real engines in each precision, through all four of MLPerf's scenarios, each short."""

import pytest

for package in ("torch", "sklearn", "safetensors", "transformers", "onnxruntime", "openvino", "nncf", "mlperf_loadgen"):
    pytest.importorskip(package)

from case_support import case_runner, has_bf16  # noqa: E402

ALL = ("SingleStream", "MultiStream", "Server", "Offline")
SHORT = ", ".join(f"{name}: {{min_duration_ms: 200, min_query_count: 1}}" for name in ALL)
QUICK = ("percentiles=[]", "warmup=0", f"scenarios=[{', '.join(ALL)}]", f"loadgen={{{SHORT}}}")
CASES = {
    "digits": ("embedded", "batch_size=8"),
    "resnet50": ("synthetic", "batch_size=1", "max_samples=3", "calibration_samples=4"),
}
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
    result = measure(case, *CASES[case], *QUICK, f"compiler={compiler}", f"precision={precision}")
    assert (result.engine["precision"], result.difference.nan) == (precision, 0)
    assert not WRONG & {reason.kind for reason in result.reasons}, result.reasons
    assert [(one.name, one.value > 0) for one in result.scenarios] == [(name, True) for name in ALL]
    assert {one.accuracy for one in result.scenarios} == {result.inference.accuracy}
    assert (result.inference.accuracy is None) == (case == "resnet50")  # synthetic images have no labels
    for one in result.scenarios:  # loadgen's rules want more queries than so short a test has, and an idle machine
        assert (one.status, {reason.kind for reason in one.reasons}) in (("OK", set()), ("INVALID", {"loadgen"})), one.reasons
