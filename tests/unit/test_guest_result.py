"""What the host lets through of a guest's result.json."""

import math

import pytest
from report_example import make_case, make_phase, make_result

from tools.contract import RESULT_FILE, Scenario, SweepPoint, to_json
from tools.errors import ConfigError
from utils.guest_result import check_config, read_result
from utils.runtime.masking import Masker


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"inference": make_phase(1.0).__class__(whole="fast", core=1.0, accuracy=None)}, "inference.whole"),
        ({"status": "EXCELLENT"}, "status"),
        ({"batch_size": "<script>"}, "batch_size"),
        ({"sweep": [SweepPoint(8, 1, "SLOW")]}, "sweep.0.status"),
        ({"scenarios": [Scenario("Offline", "performance", "VALID")]}, "scenarios.0.status"),
    ],
)
def test_a_result_against_the_contract_is_none_and_the_value_is_named(tmp_path, changes, where):
    (tmp_path / RESULT_FILE).write_text(to_json(make_result(**changes)))
    result, problem = read_result(tmp_path)
    assert result is None
    assert "the guest's result.json is not as the contract says" in problem
    assert where in problem


def test_a_guest_that_left_no_result_is_told_from_one_whose_result_cannot_be_read(tmp_path):
    assert read_result(tmp_path) == (None, "the guest left no result.json")
    (tmp_path / RESULT_FILE).mkdir()
    assert read_result(tmp_path) == (None, f"{tmp_path}/result.json: it is a folder and not a file, so it is not read")


def entries(**values):
    return {key: {"value": value, "origin": "x"} for key, value in values.items()}


def checked(asked, ran):
    check_config(make_result(config=entries(**ran)), make_case(config=entries(**asked)), Masker())


def test_another_configuration_than_the_plan_s_is_an_error_that_names_each_value():
    with pytest.raises(ConfigError, match=r"batch_size is 4 in the plan and 1 in the result; seq is None in the plan and 3 in"):
        checked({"batch_size": 4, "fp16": False}, {"batch_size": 1, "fp16": False, "seq": 3})


def test_the_same_configuration_is_the_same_by_way_of_json_and_in_another_folder():
    asked = {"percentiles": (50.0, 90.0), "edge": math.inf, "classes": {1: "cat"}, "perf_dir": "/code"}
    ran = {"percentiles": [50.0, 90.0], "edge": None, "classes": {"1": "cat"}, "perf_dir": "/mnt/code", "log_dir": "/log"}
    checked(asked, ran)


def test_a_guest_that_failed_before_it_knew_its_configuration_measured_no_other_one():
    check_config(make_result(status="FAILED", config={}), make_case(config=entries(batch_size=4)), Masker())


def test_a_measurement_without_its_configuration_is_none():
    with pytest.raises(ConfigError, match="batch_size is 4 in the plan and None in the result"):
        checked({"batch_size": 4}, {})


@pytest.mark.parametrize("entry", [1, {}, None, ["value"]])
def test_a_configuration_that_is_none_is_another_one(entry):
    with pytest.raises(ConfigError, match="batch_size is 4 in the plan"):
        check_config(make_result(config={"batch_size": entry}), make_case(config=entries(batch_size=4)), Masker())
