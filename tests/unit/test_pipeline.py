"""The seven steps with a toy case and engine: the switches, the failures, and what is left on disk."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from guest_project import Project

from tools.contract import result_from_json
from tools.pipeline import Request, run

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ("benchmarks", "inference_engine", "benchmarks_note")


def forget_plugins():
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in PLUGINS}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tools.insight.usage", lambda: None)  # who else is busy on this machine is no matter of these tests
    monkeypatch.setattr("tools.insight.measured_peak", lambda config, device: None)
    own = forget_plugins()
    yield Project(tmp_path)
    forget_plugins()
    sys.modules.update(own)


def measure_toy(project, *settings, data_dir=None, case="toy"):
    project.log_dir.mkdir(exist_ok=True)
    run(Request(project.root, data_dir or str(project.data_dir), project.log_dir, case, "acme", "pytorch_2.13", settings))
    return result_from_json((project.log_dir / "result.json").read_text(encoding="utf-8"))


def outcomes(result):
    return {
        letter: "".join(step.letter for step in result.steps if step.outcome == letter) for letter in ("ok", "skipped", "failed")
    }


def test_all_seven_steps_leave_four_numbers(project):
    result = measure_toy(project)
    assert result.status == "OK", result.reasons
    assert outcomes(result) == {"ok": "abcdefg", "skipped": "", "failed": ""}
    assert all(
        number > 0 for number in (result.validation.whole, result.validation.core, result.inference.whole, result.inference.core)
    )
    assert (result.inference.accuracy, result.accuracy_metric) == (0.75, "accuracy")
    assert (result.compiler, result.precision, result.batch_size, result.flops_per_item) == ("toyc", "fp32", 4, 20.0)
    assert result.engine == {"precision": "fp32", "device": "toy"}
    assert project.calls[-2:] == ["engine_forward", "close"]


@pytest.mark.parametrize(
    ("switches", "skipped", "calls"),
    [
        ({"compiler": "null"}, "def", ["create_model", "model_forward"]),
        ({"compiler": "null", "exist_onnx_path": "{onnx}"}, "def", ["create_model", "model_forward"]),
        ({}, "", ["create_model", "model_forward", "export_model", "compile {own} None False", "engine_forward", "close"]),
        (
            {"exist_onnx_path": "{onnx}"},
            "d",
            ["create_model", "model_forward", "compile {onnx} None False", "engine_forward", "close"],
        ),
        (
            {"exist_compiler_path": "{plan}"},
            "e",
            ["create_model", "model_forward", "export_model", "compile {own} {plan} False", "engine_forward", "close"],
        ),
        (
            {"exist_onnx_path": "{onnx}", "exist_compiler_path": "{plan}"},
            "de",
            ["create_model", "model_forward", "compile {onnx} {plan} False", "engine_forward", "close"],
        ),
        (
            {"no_validation": "true", "exist_onnx_path": "{onnx}"},
            "cd",
            ["compile {onnx} None True", "engine_forward", "close"],
        ),
        (
            {"no_validation": "true", "exist_onnx_path": "{onnx}", "exist_compiler_path": "{plan}"},
            "cde",
            ["compile {onnx} {plan} True", "engine_forward", "close"],
        ),
    ],
)
def test_the_framework_honours_the_switches(project, switches, skipped, calls):
    names = {
        "own": project.log_dir / "toy.onnx",
        "onnx": project.write("given.onnx", ""),
        "plan": project.write("given.plan", ""),
    }
    result = measure_toy(project, *["{}={}".format(key, value.format(**names)) for key, value in switches.items()])
    assert result.status == ("TAINTED" if "no_validation" in switches else "OK"), result.reasons
    assert outcomes(result)["skipped"] == skipped
    assert project.calls == ["build_dataloader pytorch"] + [call.format(**names) for call in calls]
    assert (result.validation is None, result.inference is None) == ("c" in skipped, "f" in skipped)


@pytest.mark.parametrize("key", ["exist_onnx_path", "exist_compiler_path"])
def test_relative_paths_start_at_the_projects_folder_and_not_the_current_one(project, key):
    given = project.write("onnxs/given", "")
    result = measure_toy(project, "{}=onnxs/given".format(key))
    assert result.status == "OK", result.reasons
    assert str(given) in " ".join(project.calls)
    assert result.config[key]["value"] == str(given)


def test_a_case_that_ignores_max_samples_is_noted(project):
    assert "the case does not limit its data" in measure_toy(project, "max_samples=4").notes[0]


def test_a_loaded_engine_file_is_said_in_the_step(project):
    plan = project.write("given.plan", "plan")
    result = measure_toy(project, "exist_compiler_path={}".format(plan))
    assert result.steps[4].detail == "loads {}".format(plan)
    assert result.artifacts["compiled"]["bytes"] == 4
    assert len(result.artifacts["onnx"]["sha256"]) == 64


def test_raw_latencies_are_on_disk(project):
    measure_toy(project)
    with np.load(project.log_dir / "latencies.npz") as arrays:
        found = {name: (arrays[name].dtype.name, len(arrays[name])) for name in arrays.files}
    assert found == {"validation_ns": ("int64", 4), "inference_ns": ("int64", 4)}


@pytest.mark.parametrize(
    ("place", "old", "new", "failed", "kind", "message"),
    [
        ("case", 'note(config, "create_model")', "raise MemoryError", "b", "OOM", "step b (data and model): MemoryError"),
        ("case", 'note(config, "model_forward")', "exit(3)", "c", "CRASH", "exit(3)"),
        ("case", 'note(config, "model_forward")', "return 1, 2", "c", "CRASH", "must return (whole, core, accuracy)"),
        ("case", 'note(config, "export_model")', "raise RuntimeError('no such operator')", "d", "CRASH", "no such operator"),
        ("engine", "self._config = config", "raise KeyError('x')", "e", "CRASH", "step e (compile): KeyError: 'x'"),
        ("engine", "from benchmarks_note", "import acmesdk\nfrom benchmarks_note", "e", "CRASH", "needs the package 'acmesdk'"),
        ("engine", "class InferModel", "class Other", "e", "CRASH", "must have a class InferModel"),
        ("engine", "return inputs, 0.0", "raise RuntimeError('CUDA out of memory')", "f", "OOM", "step f (engine forward)"),
        ("engine", "return inputs, 0.0", "return inputs * 2, 0.0", "f", "CRASH", "wrong outputs: 2 tensors"),
        ("engine", "return inputs, 0.0", "raise KeyboardInterrupt", "f", "INTERRUPTED", "step f (engine forward): interrupted"),
    ],
)
def test_a_step_that_fails_is_in_the_result(project, place, old, new, failed, kind, message):
    (project.change_case if place == "case" else project.change_engine)(old, new)
    result = measure_toy(project)
    letters = "abcdefg"
    assert result.status == "FAILED"
    assert result.reasons[0].kind == kind
    assert message in result.reasons[0].message
    assert outcomes(result) == {
        "ok": letters[: letters.index(failed)] + "g",
        "skipped": letters[letters.index(failed) + 1 : 6],
        "failed": failed,
    }


def test_what_was_measured_is_on_disk_before_the_machines_own_peak_is(project, monkeypatch):
    seen = []

    def die(findings):
        seen.append(result_from_json((project.log_dir / "result.json").read_text(encoding="utf-8")))
        seen.append((project.log_dir / "latencies.npz").exists())

    monkeypatch.setattr("tools.pipeline.find_peak", die)
    assert measure_toy(project).status == "OK"
    assert (seen[0].status, "own peak" in seen[0].reasons[0].message, seen[0].inference.core > 0) == ("FAILED", True, True)
    assert (len(seen[0].artifacts["onnx"]["sha256"]), seen[1]) == (64, True)


SWEEP = """
import sys
from pathlib import Path
sys.path.insert(0, {checkout!r})
from tools.pipeline import Request, run
root = Path({root!r})
run(Request(root / "project", str(root / "data"), root / "log", "toy", "acme", "pytorch", ("batch_sizes=[4, 8]",)))
"""


def test_a_sweep_that_the_kernel_kills_keeps_its_first_point(project, tmp_path):
    project.change_engine(
        "self._config = config", "self._config = config\n        config.batch_size == 8 and os.kill(os.getpid(), 9)"
    )
    project.change_engine("import time", "import os, time")
    project.log_dir.mkdir()
    script = SWEEP.format(checkout=str(ROOT), root=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    result = result_from_json((project.log_dir / "result.json").read_text(encoding="utf-8"))
    assert (result.status, result.reasons[0].kind) == ("FAILED", "CRASH")
    assert [(point.batch_size, point.phase.core > 0) for point in result.sweep] == [(4, True)]


def test_validation_survives_an_engine_that_fails(project):
    project.change_engine("return inputs, 0.0", "raise ValueError")
    result = measure_toy(project)
    assert result.validation.accuracy == 0.75
    assert (project.log_dir / "latencies.npz").exists()
    assert project.calls[-1] == "close"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["compiler=other"], "vendor acme has: toyc"),
        (["exist_onnx_path=/nowhere.onnx"], "/nowhere.onnx does not exist"),
        (["batch_sise=4"], "did you mean 'batch_size'"),
    ],
)
def test_what_cannot_work_is_a_config_error_in_step_a(project, settings, message):
    result = measure_toy(project, *settings)
    assert (result.reasons[0].kind, outcomes(result)["failed"]) == ("CONFIG", "a")
    assert message in result.reasons[0].message


def test_a_missing_data_directory_is_a_config_error(project):
    result = measure_toy(project, data_dir="/nowhere")
    assert result.reasons[0].message == "step a (init): data directory /nowhere does not exist"


def test_a_built_in_data_set_needs_no_directory(project):
    project.write(
        "configs/toy/configurations.yaml",
        (project.root / "configs/toy/configurations.yaml").read_text() + "builtin_data: [synthetic]\n",
    )
    assert measure_toy(project, data_dir="synthetic").status == "OK"


def test_a_case_must_export_the_six_functions(project):
    project.change_case("def export_model", "def export")
    assert "missing: export_model" in measure_toy(project).reasons[0].message


def test_an_unknown_framework_names_what_there_is(project):
    (project.root / "benchmarks/toy/pytorch").rename(project.root / "benchmarks/toy/tensorflow")
    assert "there is toy:tensorflow" in measure_toy(project).reasons[0].message


def test_foo_time_is_flagged(project):
    project.change_engine("return inputs, 0.0", "return inputs, 1e-9")
    result = measure_toy(project)
    assert (result.status, result.reasons[0].kind) == ("TAINTED", "foo_time")


def test_a_run_that_never_became_stable_is_tainted_and_still_has_its_numbers(project):
    result = measure_toy(project, "warmup=1", "warmup_limit=0")
    assert result.status == "TAINTED"
    assert {reason.kind for reason in result.reasons} == {"not stable"}
    assert [reason.message.split(":")[0] for reason in result.reasons] == ["validation", "inference"]
    assert result.inference.warmup.stable is False
    assert min(result.validation.whole, result.validation.core, result.inference.whole, result.inference.core) > 0


def test_a_precision_that_did_not_run_is_flagged_with_both_named(project):
    result = measure_toy(project, "precision=bf16")
    assert (result.status, result.reasons[0].kind) == ("TAINTED", "precision not active")
    assert result.reasons[0].message == "bf16 was asked for, but fp32 ran"


def test_an_accuracy_that_is_no_number_makes_the_case_invalid(project):
    project.change_case("return 3.0", "return float('nan')")
    result = measure_toy(project)
    assert (result.status, result.reasons[0].kind, result.inference.accuracy) == ("INVALID", "wrong outputs", None)


DESCRIBE = """
def describe(model, dataloader, config):
    return {"accuracy_metric": %s, "notes": ["seeded weights"], "artifacts": {"weights": {"sha256": "ab"}}}
"""


def test_a_case_without_a_metric_gives_no_accuracy(project):
    project.change_case("def evaluator", DESCRIBE % None + "def evaluator")
    result = measure_toy(project)
    assert (result.inference.accuracy, result.accuracy_metric) == (None, None)
    assert (result.notes[0], result.artifacts["weights"]) == ("seeded weights", {"sha256": "ab"})


def test_a_case_names_its_metric(project):
    project.change_case("def evaluator", DESCRIBE % "'top1'" + "def evaluator")
    assert measure_toy(project).accuracy_metric == "top1"


def test_every_step_that_ran_has_a_start_a_duration_and_a_peak(project):
    steps = measure_toy(project).steps
    assert all(step.started > 0 <= step.seconds and step.peak_memory_bytes > 1_000_000 for step in steps)
