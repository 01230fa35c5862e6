"""The report in the terminal, as Markdown and as a page."""

import io
import json
import re

import numpy as np
import pytest
from report_example import example_report, make_case_report, make_host, make_monitor, make_phase, make_report, make_result
from report_parts import make_difference, rich
from rich.console import Console

from tools.contract import LATENCIES_FILE, Check, Operator, Profile, Reason, Scenario, SweepPoint
from utils.report import charts
from utils.report.html import html
from utils.report.markdown import markdown
from utils.report.terminal import print_report
from utils.report.words import advice, clean, duration, number, per_second

EVIL = "<script>alert(1)</script> [red]x[/red] a|b `c` \x1b[31m"


def printed(report, width=100, folder=None):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width), folder)
    return stream.getvalue()


def evil_report():
    reason = Reason("CRASH", EVIL)
    facts = {EVIL: EVIL}
    check, profile = Check(EVIL, True, EVIL), Profile(EVIL, EVIL, [Operator(EVIL, 1, 1.0, 1.0)], EVIL, EVIL)
    scenario = Scenario(EVIL, EVIL, "OK", [reason], 1.0, EVIL, folder=EVIL, settings=facts, loadgen=facts)
    parts = {"audit": [check], "profiles": [profile], "scenarios": [scenario], "difference": make_difference(against=EVIL)}
    changes = {
        **parts,
        "sweep": [SweepPoint(1, 1, "FAILED", detail=EVIL)],
        "engine": facts,
        "environment": facts,
        "artifacts": facts,
        "config": {EVIL: {"value": EVIL, "origin": EVIL}},
    }
    result = make_result(status="FAILED", reasons=[reason], notes=[EVIL], precision=EVIL, accuracy_metric=EVIL, **changes)
    return make_report(make_case_report(result, make_monitor()))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"), (0, "0"), (12345.6, "12,346"), (1234.4, "1,234"), (123.44, "123.4"), (12.3456, "12.35"), (0.98333, "0.9833"),
        (999.96, "1000"), (0.00012346, "0.0001235"), (1e-9, "1.000e-09"), (float("nan"), "—"), (-45.678, "-45.68"),
    ],
)  # fmt: skip
def test_numbers_have_four_significant_digits_and_thousands_separators(value, text):
    assert number(value) == text


def test_durations_and_speeds_are_worded_for_people():
    assert [duration(seconds) for seconds in (None, 0.5, 59.97, 192, 7500)] == [
        "—",
        "0.500 s",
        "60.0 s",
        "3 min 12 s",
        "2 h 05 min",
    ]
    assert [per_second(value) for value in (1.29e11, 1.01e12, 2e15)] == ["129 GFLOP/s", "1.01 TFLOP/s", "2.00 PFLOP/s"]


def test_the_terminal_shows_every_case_with_its_figures_at_any_width():
    for width in (80, 100, 120):
        text = printed(example_report(), width)
        for expected in (
            "digits",
            "cpu/openvino",
            "fp32, batch 64",
            "61,234",
            "8,123",
            "7.54x",
            "0.9833",
            "1.045",
            "✓ OK",
            "✗ FAILED",
        ):
            assert expected in text, (width, expected)
        assert max(map(len, text.splitlines())) <= width


def test_the_terminal_tells_of_a_failed_case_what_to_do_next(tmp_path):
    (tmp_path / "report.html").touch()
    (tmp_path / "bertLarge:pytorch_2.13/localhost_noderank0").mkdir(parents=True)
    text = printed(example_report(), folder=tmp_path)
    assert "FAILED OOM: bertLarge: the container was ended" in text
    assert "→ lower batch_size" in text
    assert "bertLarge:pytorch_2.13/localhost_noderank0" in text
    assert str(tmp_path / "report.html") in text.replace("\n", "")


def test_of_a_case_that_never_began_the_log_of_the_run_is_named(tmp_path):
    report, missing = example_report(), "bertLarge:pytorch_2.13/localhost_noderank0"
    text, page = printed(report, width=400, folder=tmp_path), html(report, tmp_path)
    assert f"logs: {tmp_path}/host.out.log\n" in text
    assert "host.out.log" in page
    assert missing not in text + page
    (tmp_path / missing).mkdir(parents=True)
    assert f"logs: {tmp_path}/{missing}\n" in printed(report, width=400, folder=tmp_path)
    assert missing in html(report, tmp_path)


def test_an_invalid_case_is_not_to_be_quoted():
    assert "do not quote these numbers" in printed(example_report())


def test_an_interrupted_case_is_shown():
    result = make_result(status="FAILED", validation=None, inference=None, reasons=[Reason("INTERRUPTED", "ended by the user")])
    assert "FAILED INTERRUPTED: ended by the user" in printed(make_report(make_case_report(result)))


def test_a_withheld_percentile_is_a_dash_with_the_number_needed_below():
    report = make_report(make_case_report(make_result(validation=make_phase(45.1), inference=make_phase(123.4))))
    for text in (printed(report), markdown(report)):
        assert "—¹" in text
        assert "¹ p99 withheld: it needs at least 662 measured queries" in text


def test_what_was_not_measured_is_a_dash_and_never_zero():
    report = make_report(make_case_report(make_result(validation=None, inference=None)))
    table = next(line for line in markdown(report).splitlines() if line.startswith("| resnet50"))
    assert set(table.split(" | ")[6:]) == {"—", "— |"}
    assert " 0 " not in printed(report)


def test_without_an_engine_only_the_framework_is_shown():
    text = printed(make_report(make_case_report(make_result(compiler=None, inference=None))))
    assert "framework" in text
    assert "engine" not in text


def test_several_hosts_are_told_apart():
    report = make_report(hosts=(make_host("node1"), make_host("node2", 1)))
    assert "on localhost" in printed(report)
    assert markdown(report).splitlines()[4].startswith("| host | case |")


def test_a_guests_text_cannot_style_or_command_the_terminal():
    text = printed(evil_report())
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_a_guests_text_cannot_leave_its_place_in_markdown():
    text = markdown(evil_report())
    assert "<script>" not in text
    row = next(line for line in text.splitlines() if line.startswith("| resnet50"))
    heads = next(line for line in text.splitlines() if line.startswith("| case"))
    assert row.replace("\\|", "").count("|") == heads.count("|")
    assert "\\`c\\`" in text


def test_a_guests_text_cannot_become_html(tmp_path):
    page = html(evil_report(), tmp_path)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_control_characters_are_dropped_and_lines_kept():
    assert clean("a\x1b[2Jb\nc\x00\u202ed") == "ab\ncd"


def test_the_page_needs_no_network_and_shows_the_charts(tmp_path):
    case = make_case_report(make_result(), make_monitor())
    folder = tmp_path / case.folder
    folder.mkdir(parents=True)
    np.savez(folder / LATENCIES_FILE, inference_ns=np.arange(1, 5001) * 1000, validation_ns=np.arange(1, 5001) * 3000)
    page = html(make_report(case), tmp_path)
    assert page.count('class="plot"') == 5
    assert 'src="' not in page.split("<script>")[0]
    assert "Latency, cumulative" in page


def test_sections_stand_in_the_page_and_in_markdown_only_where_there_is_data(tmp_path):
    titles = ("MLPerf scenarios", "Sweep over batch sizes", "Numeric difference", "Audit", "Operators in inference")
    full, bare = make_report(make_case_report(**rich())), make_report(make_case_report())
    for text in (html(full, tmp_path), markdown(full)):
        assert [title for title in titles if title not in text] == []
    for text in (html(bare, tmp_path), markdown(bare)):
        assert [title for title in titles if title in text] == []


def test_the_pages_charts_stand_in_the_order_of_their_places(tmp_path):
    page = html(make_report(make_case_report(make_result(**rich()), make_monitor())), tmp_path)
    names = re.findall(r'<h3>([^<]*)</h3><div class="plot" data-chart="(\d+)"', page)
    assert [int(place) for _, place in names] == list(range(len(names)))
    drawn = json.loads(re.search(r"const charts = (.*);", page)[1])
    assert [chart["name"] for chart in drawn] == [name for name, _ in names]
    assert names[0][0] == "Latency over throughput"


def test_the_page_links_logs_and_traces_in_the_cases_folder(tmp_path):
    page = html(make_report(make_case_report(**rich())), tmp_path)
    assert 'href="./resnet50%3Apytorch_2.13/localhost_noderank0/loadgen/Server"' in page
    assert 'href="./resnet50%3Apytorch_2.13/localhost_noderank0/profile/validation.json"' in page


def test_a_bound_stands_below_its_percentile(tmp_path):
    report = make_report(make_case_report())
    assert "64.83<small>≤ 67.42</small>" in html(report, tmp_path)
    assert "64.83<br>≤ 67.42" in markdown(report)


def test_the_terminal_shows_the_error_the_scenarios_and_the_sweep_at_any_width():
    for width in (80, 120):
        text = printed(make_report(make_case_report(**rich())), width)
        for expected in ("±%", "0.9", "16 ◆", "✗ FAILED", "SingleStream", "VALID", "FindPeak", "the knee"):
            assert expected in text, (width, expected)
        assert max(map(len, text.splitlines())) <= width


def test_an_mfu_of_a_measured_peak_is_labelled_so_everywhere(tmp_path):
    report = make_report(make_case_report(**rich()))
    assert "measured" in printed(report, 120).split("digits")[0]
    assert "% (measured peak) |" in markdown(report)
    assert re.search(r"% *</div><div><small>measured</small>", html(report, tmp_path))
    published = make_report(make_case_report(make_result(**rich()), make_monitor()))
    assert "(measured peak)" not in markdown(published)


def test_what_has_no_engine_is_not_asked_to_be_run_without_one():
    case = make_case_report(status="INVALID", reasons=[Reason("wrong outputs", "NaN")]).model_copy(update={"compiler": None})
    assert advice(case, case.reasons[0]) == "do not quote these numbers"


def test_the_advice_for_a_wrong_configuration_does_not_promise_that_check_finds_all():
    case = make_case_report(status="FAILED", reasons=[Reason("CONFIG", "step a (init): no such key")])
    assert "but not what only a step of the case finds" in advice(case, case.reasons[0])


def test_advice_for_an_invalid_case_is_given_once():
    reasons = [Reason("accuracy", "too low"), Reason("clock", "it fell")]
    text = printed(make_report(make_case_report(status="INVALID", reasons=reasons)))
    assert text.count("do not quote these numbers") == 1


def test_without_latencies_and_monitors_the_page_has_no_chart_and_no_plotly(tmp_path):
    page = html(make_report(make_case_report()), tmp_path)
    assert 'class="plot"' not in page
    assert len(page) < 60_000


def test_a_page_without_any_case_is_still_one(tmp_path):
    report = make_report().model_copy(update={"cases": []})
    assert "no case was run" in html(report, tmp_path)
    assert "no case was run" in printed(report)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_a_broken_latencies_file_gives_no_plot(tmp_path, content):
    (tmp_path / LATENCIES_FILE).write_bytes(content)
    assert charts.latencies(tmp_path) == {}


def test_pickled_or_oddly_shaped_latencies_are_not_read(tmp_path):
    np.savez(tmp_path / LATENCIES_FILE, inference_ns=np.array([{"a": 1}], dtype=object))
    assert charts.latencies(tmp_path) == {}
    np.savez(tmp_path / LATENCIES_FILE, inference_ns=np.ones((2, 2)), validation_ns=np.array([]))
    assert charts.latencies(tmp_path) == {}


def test_a_cumulative_curve_is_thinned_and_keeps_the_slowest_query():
    figures = charts.latency_charts({"inference": np.arange(1.0, 100_001.0) * 1e6}, {"inference": "engine"})
    curve = figures[1]["data"][0]
    assert len(curve["x"]) <= charts.MOST_POINTS
    assert (curve["x"][-1], curve["y"][-1]) == (100_000.0, 100.0)


def test_each_step_is_a_band_behind_a_monitors_curve():
    figure = charts.monitor_charts(make_case_report(make_result(), make_monitor()))[0]
    assert len(figure["layout"]["shapes"]) == 7
    assert figure["layout"]["shapes"][2]["x0"] == pytest.approx(2.9)
    assert figure["data"][0]["y"][0] == 2.0  # GiB
