"""What the host lets through of a guest's result.json."""

import pytest
from report_example import make_phase, make_result

from tools.contract import RESULT_FILE, Scenario, SweepPoint, to_json
from utils.guest_result import read_result


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
