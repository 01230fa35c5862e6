"""Merging, judging and writing a report."""

import json
from pathlib import Path

import pytest
from report_example import (
    STARTED,
    example_report,
    make_case,
    make_case_report,
    make_host,
    make_monitor,
    make_plan,
    make_report,
    make_result,
    make_steps,
)
from report_parts import rich

from tools.contract import Reason
from utils.report.build import exit_code, failed_case, to_json
from utils.report.pages import write
from utils.report.schema import CaseReport, Report, json_schema

ROOT = Path(__file__).parents[2]


def failed(kind: str) -> CaseReport:
    return failed_case(make_plan(), make_case(), make_host(), Reason(kind, "what happened"))


def test_a_report_is_the_same_after_a_round_trip_through_its_file():
    report = example_report()
    assert Report.model_validate_json(to_json(report)) == report


def test_the_exported_json_schema_is_in_step():
    assert (ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8") == json_schema(), (
        "make it anew: python -m utils.report.schema > docs/report.schema.json"
    )


def test_a_case_has_the_keys_that_users_rely_on():
    report = json.loads(to_json(make_report()))
    assert report["schema"] == 2
    named = "host case framework vendor compiler precision batch_size status reasons metrics steps config environment"
    assert set(named.split()) <= set(report["cases"][0])
    numbers = "validation_whole validation_core inference_whole inference_core accuracy_validation accuracy_inference mfu"
    assert set(numbers.split()) <= set(report["cases"][0]["metrics"])


def test_what_was_not_measured_is_null_and_never_zero():
    report = make_report(make_case_report(compiler=None, inference=None))
    metrics = json.loads(to_json(report))["cases"][0]["metrics"]
    assert metrics["inference_core"] is None
    assert metrics["mfu"] is None
    assert metrics["power"]["mean_watts"] is None
    assert metrics["latency"]["inference"] is None


def test_everything_a_guest_found_out_is_in_the_report():
    case = json.loads(to_json(make_report(make_case_report(**rich()))))["cases"][0]
    phase = case["metrics"]["phases"]["inference"]
    assert (phase["core_interval"]["low"], phase["warmup"]["stable"]) == (pytest.approx(123.4 * 0.991), True)
    assert phase["overhead_share"] == pytest.approx(1_320 / (8e9 / 123.4), rel=1e-6)
    assert case["metrics"]["latency"]["inference"]["percentiles"]["p90"]["upper_ms"] == pytest.approx(1.2 * 1.04 * 8e3 / 123.4)
    assert (case["metrics"]["compile_seconds"], case["metrics"]["peak"]["source"]) == (1.84, "measured")
    assert [point["knee"] for point in case["sweep"]] == [False, False, True, False, False, False]
    assert [scenario["valid"] for scenario in case["scenarios"]] == [True, False, True]
    assert case["scenarios"][0]["settings"]["min_duration_ms"] == {"value": 600, "origin": "command line"}
    assert [check["passed"] for check in case["audit"]] == [True, False, None]
    assert case["profiles"][0]["operators"][0]["name"] == "aten::convolution"
    assert sum(case["difference"]["counts"]) == case["difference"]["elements"]


def test_series_of_numbers_stand_on_one_line():
    text = to_json(make_report())
    assert any(line.strip().startswith('"times": [ 1760000000.0, ') for line in text.splitlines())
    assert len(text.splitlines()) < 500


def test_a_case_without_a_result_tells_what_was_asked_for_and_why_it_failed():
    case = failed("TIMEOUT")
    assert (case.status, case.reasons[0].kind, case.batch_size, case.precision) == ("FAILED", "TIMEOUT", 8, "fp32")
    assert case.metrics.inference_core is None


def test_a_configuration_of_wrong_types_still_gives_a_failed_case():
    config = {"batch_size": {"value": "many", "origin": "x:1"}, "compiler": {"value": 3, "origin": "x:2"}, "odd": None}
    case = failed_case(make_plan(), make_case(config=config), make_host(), Reason("CONFIG", "batch_size is not a number"))
    assert (case.status, case.batch_size, case.compiler) == ("FAILED", None, None)


def test_notes_of_guest_host_and_monitors_are_all_kept():
    monitor = make_monitor(errors=("2 lines could not be read",))
    notes = make_case_report(make_result(notes=["from the guest"]), monitor).notes
    assert notes == ["from the guest", "cpu: 2 lines could not be read"]


@pytest.mark.parametrize(
    ("statuses", "code", "strict_code"),
    [
        ("OK OK", 0, 0),
        ("OK TAINTED", 0, 1),
        ("OK INVALID", 1, 1),
        ("OK CRASH", 1, 1),
        ("OK HOST_LOST", 1, 1),
        ("HOST_LOST HOST_LOST", 3, 3),
        ("HOST_LOST CONFIG", 1, 1),
        ("CONFIG CONFIG", 2, 2),
        ("OK INTERRUPTED", 130, 130),
        ("CRASH INTERRUPTED", 130, 130),
        ("", 4, 4),
    ],
)
def test_the_exit_code_follows_from_the_cases(statuses, code, strict_code):
    measured = {"OK", "TAINTED", "INVALID"}
    cases = [make_case_report(status=one) if one in measured else failed(one) for one in statuses.split()]
    report = make_report().model_copy(update={"cases": cases})
    assert (exit_code(report), exit_code(report, strict=True)) == (code, strict_code)


def test_a_doubt_of_a_measured_case_called_like_a_failure_is_none():
    report = make_report(make_case_report(status="TAINTED", reasons=[Reason("INTERRUPTED", "the monitor was")]))
    assert exit_code(report) == 0


def test_a_run_counts_its_cases_by_status():
    run = example_report().run
    assert run.summary == {"OK": 1, "TAINTED": 1, "INVALID": 1, "FAILED": 1}
    assert (run.exit_code, run.started, run.overrides) == (1, STARTED, ["--set compiler=onnxruntime"])


def test_the_commit_is_read_from_the_checkout(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "packed-refs").write_text("# pack-refs\n0123abcd refs/heads/main\n")
    assert make_report(checkout=tmp_path).run.versions["commit"] == "0123abcd"
    assert "commit" not in make_report(checkout=tmp_path / "none").run.versions


def test_writing_leaves_three_files_and_nothing_else(tmp_path):
    write(make_report(make_case_report(steps=make_steps("ooossss"))), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]
