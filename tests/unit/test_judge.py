"""The accuracy gate."""

import math

import pytest

from tools.contract import INVALID, OK, Phase, Scenario
from tools.judge import accuracy_reasons, judged, threshold


def phase(accuracy):
    return Phase(1.0, 1.0, accuracy)


def kinds(validation, inference, target=None):
    return [reason.kind for reason in accuracy_reasons(validation, inference, target)]


@pytest.mark.parametrize(("target", "validation", "expected"), [
    (0.753, 0.8, 0.753), (0.753, None, 0.753), ("90%", 0.8, 0.72), (None, 0.8, 0.792), (None, None, None), ("99%", None, None),
])  # fmt: skip
def test_a_target_is_absolute_or_a_share_of_the_validations_99_percent_where_nothing_is_said(target, validation, expected):
    assert threshold(target, validation) == (expected if expected is None else pytest.approx(expected))


def test_an_engine_below_the_target_must_not_be_quoted():
    assert kinds(phase(0.98), phase(0.96)) == ["accuracy"]
    assert kinds(phase(0.98), phase(0.975)) == []
    assert kinds(phase(0.98), phase(0.975), target=0.98) == ["accuracy"]


def test_the_message_names_both_figures_and_what_to_do():
    (reason,) = accuracy_reasons(phase(0.98), phase(0.001), 0.753)
    assert reason.message == (
        "inference: 0.0010 is below the target of 0.7530 (accuracy_target); "
        "run with 'compiler: null' to see whether the export or the engine is wrong"
    )


def test_an_accuracy_that_is_no_number_is_wrong_outputs_on_either_side():
    assert kinds(phase(0.98), phase(math.nan)) == ["wrong outputs"]
    assert kinds(phase(math.nan), phase(0.9)) == ["wrong outputs"]


def test_validation_alone_is_held_to_an_absolute_target():
    assert kinds(phase(0.5), None, target=0.9) == ["accuracy"]
    assert kinds(phase(0.5), None) == []


def test_a_target_without_an_accuracy_is_said_and_silence_without_a_target():
    assert kinds(None, phase(None), target=0.9) == ["no accuracy"]
    assert kinds(phase(None), phase(None)) == []


def test_a_scenario_below_the_target_is_invalid_though_loadgen_found_it_valid():
    found = judged(Scenario("Offline", "performance", OK, valid=True, accuracy=0.5), None, 0.98)
    assert (found.status, found.reasons[-1].kind, found.valid) == (INVALID, "accuracy", True)
    assert judged(Scenario("Offline", "performance", OK, accuracy=0.98), None, 0.98).status == OK
