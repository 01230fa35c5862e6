"""What the result says in words, and what happens where it cannot be written."""

import pytest

from tools.contract import FAILED, TAINTED, Phase, Reason, Result
from tools.errors import CaseCrash
from tools.findings import Findings, as_measurement, file_facts
from tools.summary import in_words, summarise, write_result


def test_a_failure_comes_before_doubts():
    findings = Findings(failure=Reason("CRASH", "broken"), validation=as_measurement((1.0, 1.0, float("nan")), "model_forward"))
    result = summarise("toy", "pytorch", "acme", findings, [])
    assert (result.status, [reason.kind for reason in result.reasons]) == (FAILED, ["CRASH", "wrong outputs"])


def test_a_case_that_returns_nothing_has_no_numbers():
    assert list(as_measurement(None, "model_forward")) == [None, None, None]


def test_the_words_show_the_four_numbers_and_the_doubts(tmp_path):
    result = Result(
        "toy", "pytorch_2.13", "acme", compiler="toyc", status=TAINTED, reasons=[Reason("foo_time", "0.1 s")],
        validation=Phase(1234.5, 2000.0, 0.98), accuracy_metric="top1", notes=["seeded weights"],
    )  # fmt: skip
    words = in_words(result, tmp_path / "result.json")
    assert words.splitlines() == [
        "toy on acme/toyc: TAINTED",
        "  foo_time: 0.1 s",
        "  validation_whole  1,234.50 items/s",
        "  validation_core   2,000.00 items/s",
        "  validation accuracy 0.9800 (top1)",
        "  inference_whole   -",
        "  inference_core    -",
        "  note: seeded weights",
        "  " + str(tmp_path / "result.json"),
    ]


def test_a_result_that_cannot_be_written_says_where_and_why(tmp_path):
    (tmp_path / "log").write_text("a file")
    with pytest.raises(CaseCrash, match=r"cannot write .*result.json: File exists"):
        write_result(Result("toy", "pytorch", "acme"), tmp_path / "log")


def test_a_failed_case_shows_no_empty_numbers(tmp_path):
    words = in_words(Result("toy", "pytorch", "acme", reasons=[Reason("CONFIG", "no such case")]), tmp_path)
    assert words.splitlines() == ["toy on acme/pytorch: FAILED", "  CONFIG: no such case", "  " + str(tmp_path)]


def test_external_data_beside_an_onnx_file_are_hashed_too(tmp_path):
    (tmp_path / "model.onnx").write_text("graph")
    (tmp_path / "model.onnx.data").write_text("weights")
    facts = file_facts(str(tmp_path / "model.onnx"))
    assert (facts["bytes"], facts["external_data"]["bytes"]) == (5, 7)
