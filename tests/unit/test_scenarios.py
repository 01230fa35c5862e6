"""Scenarios over digits on onnxruntime, short; and what is said where there can be none."""

import sys
from types import SimpleNamespace

import pytest
from loguru import logger

from tools.scenarios import run_scenarios
from tools.workload import Workload

ALL = ("SingleStream", "MultiStream", "Server", "Offline")
SHORT = {"min_duration_ms": 200, "min_query_count": 1}


def failed(workload, tmp_path):
    (done,) = run_scenarios(workload, None, tmp_path)
    assert (done.name, done.status, done.value) == ("Server", "FAILED", None)
    return done.reasons[0]


def server(dataloader, tmp_path):
    config = SimpleNamespace(scenarios=("dataset", "Server"), log_dir=str(tmp_path), clients=())
    return Workload(dataloader, None, None, config)


def test_a_loader_that_has_no_single_samples_fails_a_scenario_with_the_remedy(tmp_path):
    reason = failed(server([1, 2], tmp_path), tmp_path)
    assert reason.kind == "CONFIG"
    assert "torch DataLoader over an indexed data set" in reason.message


def test_without_loadgen_a_scenario_fails_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    reason = failed(server(SimpleNamespace(dataset=[1], collate_fn=list), tmp_path), tmp_path)
    assert reason.kind == "CONFIG"
    assert "pip install mlcommons-loadgen" in reason.message


def test_a_mistake_in_the_configuration_has_no_traceback_in_the_log(tmp_path):
    seen = []
    sink = logger.add(seen.append, format="{message}")
    failed(server([1, 2], tmp_path), tmp_path)
    logger.remove(sink)
    assert any("torch DataLoader over an indexed data set" in text for text in seen)
    assert not any("Traceback" in text for text in seen)


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    """The pass over the data set, and the scenarios with batch_size 8."""
    for package in ("torch", "sklearn", "safetensors", "onnxruntime", "mlperf_loadgen"):
        pytest.importorskip(package)
    from case_support import case_config

    from benchmarks.digits import pytorch as digits
    from inference_engine.cpu.onnxruntime import InferModel

    folder = tmp_path_factory.mktemp("digits")
    config = case_config(
        "digits", folder, "embedded", batch_size=8, compiler="onnxruntime", threads=1, repeat=1, warmup=2, warmup_limit=1.0,
        percentiles=(), scenarios=ALL, loadgen={**dict.fromkeys(ALL, SHORT), "SingleStream": {**SHORT, "min_query_count": 64}},
    )  # fmt: skip
    model = digits.create_model(config)
    engine = InferModel(config, digits.export_model(model, config), model)
    measured = digits.engine_forward(engine, digits.build_dataloader(config), digits.evaluator, config)
    checks = []
    done = run_scenarios(measured.workload, engine, folder / "loadgen", lambda _, check: checks.append(check), audited=True)
    return measured, {one.name: one for one in done}, checks


@pytest.mark.parametrize("name", ALL)
def test_each_scenario_measures_digits_and_finds_the_accuracy_of_the_pass_over_the_data(digits_run, name):
    measured, scenarios, _ = digits_run
    done = scenarios[name]
    assert done.status == ("INVALID" if done.reasons else "OK"), done.reasons
    assert {reason.kind for reason in done.reasons} <= {"loadgen"}  # its rules want more queries than so short a test has
    assert done.accuracy == measured.phase.accuracy == 358 / 359
    assert done.value > 0
    assert done.folder == "loadgen/" + name


def test_an_honest_engine_passes_each_scenarios_audit(digits_run):
    checks = digits_run[-1]
    assert [check.name.partition(":")[0] for check in checks] == list(ALL)
    assert all(check.passed for check in checks), checks


def test_a_case_that_fills_single_samples_up_says_so_without_a_doubt(digits_run):
    _, scenarios, _ = digits_run
    said = {name: [note for note in done.notes if "fills a query" in note] != [] for name, done in scenarios.items()}
    assert said == {"SingleStream": True, "MultiStream": False, "Server": True, "Offline": False}
    assert scenarios["SingleStream"].reasons == ()
    assert scenarios["SingleStream"].status == "OK"
