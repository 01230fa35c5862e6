"""An engine with wrong outputs is INVALID however fast it is: real digits, a real engine, broken in known ways."""

import threading
from pathlib import Path

import onnx
import pytest
import torch
from case_support import case_runner
from onnx import numpy_helper

from benchmarks.digits import pytorch as digits
from inference_engine.cpu.onnxruntime import InferModel
from tools.contract import result_from_json

QUICK = ("compiler=onnxruntime", "percentiles=[]", "warmup=0", "max_samples=64")


class Right(InferModel):
    """The engine as it is, with a place to break it in."""

    def __init__(self, config, onnx_path, model):
        super().__init__(config, self.source(onnx_path), model)
        self.before = None

    def __call__(self, inputs):
        (scores,), foo = super().__call__(inputs)
        answer, self.before = self.answer(scores), scores
        return [answer], foo

    def source(self, onnx_path):
        return onnx_path

    def answer(self, scores):
        return scores


class Permuted(Right):
    def answer(self, scores):
        return scores.roll(1, dims=0)


class Zeros(Right):
    def answer(self, scores):
        return torch.zeros_like(scores)


class NotANumber(Right):
    def answer(self, scores):
        return scores * float("nan")


class Stale(Right):
    def answer(self, scores):
        return scores if self.before is None else self.before


class NotANumberOnce(Right):
    """One row of the whole data set is not a number, which costs less accuracy than the target allows."""

    def answer(self, scores):
        self.calls = getattr(self, "calls", 0) + 1
        broken = scores.clone()
        if self.calls % 8 == 7:
            broken[3] = float("nan")
        return broken


class Asynchronous(Right):
    """Hands its outputs out at once, and has a thread write them a little later."""

    def answer(self, scores):
        outputs = torch.zeros_like(scores)
        threading.Timer(0.002, outputs.copy_, (scores,)).start()
        return outputs


class RightAtFirst(Right):
    """Computes while it is judged, in the first pass, and again while it is looked at afterwards."""

    def answer(self, scores):
        self.calls = getattr(self, "calls", 0) + 1
        return scores if self.calls <= 8 or self.calls > 64 else torch.zeros_like(scores)


class WrongWhenAlone(Right):
    """Wrong for batches of one."""

    def answer(self, scores):
        return scores if len(scores) > 1 else torch.zeros_like(scores)


class WrongForOthers(Right):
    """Wrong for every thread but the first."""

    def answer(self, scores):
        return scores if threading.current_thread() is threading.main_thread() else scores * float("nan")


class BitFlipped(Right):
    """One weight of the last layer has its highest exponent bit flipped, as a bad memory cell would."""

    def source(self, onnx_path):
        model = onnx.load(onnx_path)
        weight = next(tensor for tensor in model.graph.initializer if list(tensor.dims) in ([10, 1024], [1024, 10]))
        values = numpy_helper.to_array(weight).copy()
        values.view("uint32").flat[5] ^= 1 << 30
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        path = str(Path(onnx_path).parent / "flipped.onnx")
        onnx.save(model, path)
        return path


class Remembering(Right):
    """Computes each input once, and has the answer to all that come again."""

    def __call__(self, inputs):
        self.known = getattr(self, "known", {})
        key = inputs[0].numpy().tobytes()
        if key not in self.known:
            self.known[key] = super().__call__(inputs)
        return self.known[key]


class ClaimsBf16(Right):
    """Computes in fp32, whatever it was asked for, and says that it did as told."""

    def __init__(self, config, onnx_path, model):
        super().__init__(config._replace(precision="fp32"), onnx_path, model)

    def describe(self):
        return dict(super().describe(), precision="bf16")


@pytest.fixture
def run_digits(tmp_path, monkeypatch):
    run = case_runner(tmp_path, monkeypatch)
    return lambda *settings: run("digits", "embedded", *QUICK, *settings)


@pytest.fixture
def measure_digits(run_digits, monkeypatch):
    def measure(engine, *settings):
        monkeypatch.setattr("tools.pipeline.load_engine", lambda vendor, compiler: engine)
        return run_digits(*settings)

    return measure


@pytest.fixture
def diverged(monkeypatch):
    """digits with weights of which one is not a number."""

    def create_model(config):
        model = digits.model.create_model(config)
        with torch.no_grad():
            next(model.parameters()).view(-1)[5] = float("nan")
        return model

    monkeypatch.setattr(digits, "create_model", create_model)


@pytest.mark.parametrize("engine", [Permuted, Zeros, NotANumber, NotANumberOnce, Stale, BitFlipped])
def test_an_engine_with_wrong_outputs_must_not_be_quoted(measure_digits, engine):
    result = measure_digits(engine)
    assert result.status == "INVALID", result.reasons
    assert {"accuracy", "wrong outputs"} & {reason.kind for reason in result.reasons}
    assert result.inference.core > 0


def test_outputs_that_a_thread_writes_after_the_query_were_not_measured(measure_digits):
    result = measure_digits(Asynchronous, "percentiles=[90]")
    assert result.status == "INVALID"
    assert any("have changed since the query ended" in reason.message for reason in result.reasons)


@pytest.mark.usefixtures("diverged")
@pytest.mark.parametrize("compiler", ["null", "onnxruntime", "openvino"])
def test_a_model_that_has_diverged_must_not_be_quoted_though_framework_and_engine_agree(run_digits, compiler):
    result = run_digits("compiler=" + compiler)
    assert (result.status, {reason.kind for reason in result.reasons} & {"accuracy"}) == ("INVALID", set())
    (said,) = [reason.message for reason in result.reasons if reason.message.startswith("validation: NaN")]
    assert said.startswith("validation: NaN in the outputs of 64 of 64 items; look for a diverged checkpoint")


def test_an_engine_that_is_right_while_it_is_judged_alone_must_not_be_quoted(measure_digits):
    result = measure_digits(RightAtFirst, "percentiles=[90]")
    assert result.status == "INVALID", result.reasons
    assert any("after the first pass" in reason.message for reason in result.reasons)


@pytest.mark.parametrize(
    ("engine", "setting", "wrong"),
    [(WrongWhenAlone, "batch_sizes=[1, 8]", [(1, 1)]), (WrongForOthers, "clients=[1, 2]", [(8, 2)])],
)
def test_wrong_outputs_anywhere_in_a_sweep_must_not_be_quoted(measure_digits, engine, setting, wrong):
    result = measure_digits(engine, setting)
    assert [(point.batch_size, point.clients) for point in result.sweep if point.status == "INVALID"] == wrong
    assert (result.status, result.reasons[0].kind) == ("INVALID", "sweep")


def test_what_nobody_can_verify_is_a_doubt(measure_digits, tmp_path):
    measure_digits(Right, "compile_only=true")
    (onnx_path,) = tmp_path.glob("onnxs/digits_pytorch*/*.onnx")
    result = measure_digits(Zeros, "no_validation=true", "exist_onnx_path={}".format(onnx_path))
    assert result.status == "TAINTED"
    assert "not verified" in {reason.kind for reason in result.reasons}
    target = measure_digits(Zeros, "no_validation=true", "exist_onnx_path={}".format(onnx_path), "accuracy_target=0.9")
    assert (target.status, target.reasons[0].kind) == ("INVALID", "accuracy")


def test_the_same_engine_unbroken_may_be_quoted(measure_digits):
    result = measure_digits(Right)
    assert result.status in ("OK", "TAINTED"), result.reasons
    assert (result.inference.items, result.inference.accuracy) == (64, result.validation.accuracy)


def test_an_accuracy_target_above_what_the_model_can_do_makes_it_invalid(measure_digits):
    result = measure_digits(Right, "accuracy_target=0.9999", "max_samples=359")
    assert (result.status, result.reasons[0].kind) == ("INVALID", "accuracy")


def test_compile_only_ends_after_the_compilation_with_its_time_and_size(measure_digits):
    result = measure_digits(Right, "compile_only=true")
    assert [step.outcome for step in result.steps] == ["ok"] * 5 + ["skipped", "ok"]
    assert (result.inference, result.compile_seconds > 0, result.artifacts["compiled"]["bytes"] > 0) == (None, True, True)


def test_an_audit_is_in_the_result(measure_digits):
    result = measure_digits(Right, "audit=true")
    assert [check.passed for check in result.audit if "repeated" not in check.name] == [True, True]
    stale = measure_digits(Stale, "audit=true")
    assert any(check.passed is False for check in stale.audit)
    assert "audit" in {reason.kind for reason in stale.reasons}


def test_an_engine_that_remembers_what_it_was_asked_before_fails_the_audit(measure_digits):
    result = measure_digits(Remembering, "audit=true")
    assert [check.passed for check in result.audit] == [True, False, True]
    assert (result.status, result.reasons[0].kind) == ("INVALID", "audit")
    assert result.reasons[0].message.startswith("a repeated sample is not faster than distinct ones: it takes ")


def test_an_engine_that_lies_about_its_precision_is_told_by_its_outputs(measure_digits):
    result = measure_digits(ClaimsBf16, "precision=bf16")
    assert (result.status, result.engine["precision"]) == ("TAINTED", "bf16")
    (said,) = [reason.message for reason in result.reasons if reason.kind == "precision not active"]
    assert said.startswith("inference: bf16 was asked for, but no output differs from the framework in fp32 by more than ")


def test_flop_that_the_model_does_not_have_are_a_note_naming_both_figures(measure_digits):
    result = measure_digits(Right, "flops=1e6")
    (said,) = [note for note in result.notes if "flops" in note]
    assert "flops say 0.001 GFLOP per item, but the exported graph counts 0.002417 GFLOP (+141.7%)" in said
    assert not [note for note in measure_digits(Right).notes if "flops" in note]


def test_what_was_measured_before_a_study_ended_the_process_is_on_disk(measure_digits, monkeypatch, tmp_path):
    seen = []

    def die(*unused):
        seen.append(result_from_json((tmp_path / "log" / "result.json").read_text(encoding="utf-8")))

    monkeypatch.setattr("tools.pipeline.run_studies", die)
    measure_digits(Right, "batch_sizes=[1]")
    assert (seen[0].status, seen[0].reasons[0].kind, seen[0].inference.core > 0) == ("FAILED", "CRASH", True)


def test_a_size_that_the_memory_left_does_not_hold_ends_the_sweep_and_not_the_run(measure_digits, monkeypatch):
    monkeypatch.setattr("tools.sweep.memory_left", lambda: 400 << 20)
    result = measure_digits(Right, "batch_sizes=[8, 100000, 200000]")
    assert result.status != "FAILED", result.reasons
    assert [(point.batch_size, point.status) for point in result.sweep[1:]] == [(100000, "FAILED")]
    assert result.sweep[1].detail.startswith("out of memory: ")


def test_a_sweep_compiles_each_size_anew_and_keeps_going(measure_digits):
    result = measure_digits(Right, "batch_sizes=[1, 8]", "clients=[1, 2]")
    assert [(point.batch_size, point.clients) for point in result.sweep] == [(1, 1), (1, 2), (8, 1), (8, 2)]
    assert all(point.phase.core > 0 for point in result.sweep), result.sweep
