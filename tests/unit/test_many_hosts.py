"""A run over simulated hosts: all of run.py but the connection is real."""

import io
import json
from dataclasses import replace

import pytest
from host_fakes import FakeConnection, Fleet, fleet_plan, many_hosts, monitor_log, result_of
from loop_fakes import FakeClock
from rich.console import Console

from tools.contract import Progress
from tools.errors import CommandTimeout
from utils import case_run, dispatch
from utils.display import BarDisplay, PlainDisplay, make_display
from utils.display_crowd import MOST_LINES, CrowdDisplay
from utils.display_words import PLAIN_SECONDS
from utils.report.build import case_report, to_json
from utils.report.pages import write
from utils.report.schema import Report
from utils.runtime.masking import Masker


def run(plan, fleet, monkeypatch):
    """The report of a run on a fleet, and what was printed while it went on."""
    monkeypatch.setattr(dispatch, "connect", fleet.connect)
    stream = io.StringIO()
    with make_display(Console(file=stream, width=120), tuple(host.host for host in plan.hosts), Masker()) as display:
        report = dispatch.run_plan(plan, display, lambda report: write(report, plan.results))
    return report, stream.getvalue()


def test_fifty_hosts_finish_and_stand_in_the_report_in_their_order(tmp_path, monkeypatch):
    fleet = Fleet(logs={"sys_monitor.log": monitor_log(20, 1, "sys")})
    report, printed = run(fleet_plan(tmp_path, 50, ("digits", "resnet50")), fleet, monkeypatch)
    names = [host.host for host in many_hosts(50)]
    assert [(case.case, case.host) for case in report.cases] == [
        (case, name) for case in ("digits", "resnet50") for name in names
    ]
    assert (report.run.summary, report.run.exit_code, fleet.now) == ({"OK": 100}, 0, 0)
    assert len(printed.splitlines()) < 50
    assert Report.model_validate(json.loads((tmp_path / "report.json").read_text())) == report
    assert (tmp_path / report.run.id / "digits:pytorch_2.13" / "node049_noderank49" / "result.json").exists()


def test_hosts_that_are_not_reached_cost_the_others_nothing(tmp_path, monkeypatch):
    report, printed = run(fleet_plan(tmp_path, 20), Fleet(dead=("node003", "node007")), monkeypatch)
    lost = [case.host for case in report.cases if case.status == "FAILED"]
    assert (lost, report.run.summary, report.run.exit_code) == (["node003", "node007"], {"OK": 18, "FAILED": 2}, 1)
    assert "node003: no route to host" in printed
    assert [one.measured for one in report.over_hosts] == [18]


def test_a_report_that_cannot_be_made_costs_its_own_case_and_no_other(tmp_path, monkeypatch):
    def odd(plan, case, *more):
        assert case.case != "digits", "nobody thought of this"
        return case_report(plan, case, *more)

    monkeypatch.setattr(case_run, "case_report", odd)
    report, _ = run(fleet_plan(tmp_path, 1, ("digits", "resnet50")), Fleet(), monkeypatch)
    assert [(case.case, case.status) for case in report.cases] == [("digits", "FAILED"), ("resnet50", "OK")]
    assert report.cases[0].reasons[0].kind == "CRASH"
    assert "nobody thought of this" in report.cases[0].reasons[0].message


def test_a_command_that_hangs_after_the_guest_costs_no_result(tmp_path, monkeypatch):
    class Hanging(FakeConnection):
        def run(self, argv, **more):
            if argv[0] == "rm":
                raise CommandTimeout("node000: rm -rf … did not end within 60 s and was ended")
            return super().run(argv, **more)

    report, _ = run(fleet_plan(tmp_path, 1), Fleet(host=Hanging), monkeypatch)
    assert report.cases[0].status == "OK"
    assert "stays on node000: node000: rm -rf … did not end within 60 s" in " ".join(report.cases[0].notes)


def test_all_hosts_work_at_the_same_time(tmp_path, monkeypatch):
    import threading

    everybody = threading.Barrier(20, timeout=60)
    report, _ = run(fleet_plan(tmp_path, 20), Fleet(wait=lambda _: everybody.wait()), monkeypatch)
    assert report.run.summary == {"OK": 20}


def test_the_report_of_many_hosts_has_fewer_points_of_each_series_and_no_extreme_is_lost(tmp_path, monkeypatch):
    sizes = {}
    for count in (2, 60):
        logs = {"cpu_monitor.log": monitor_log(400, 1)}
        report, _ = run(fleet_plan(tmp_path / str(count), count), Fleet(logs=logs), monkeypatch)
        [series] = [one for one in report.cases[0].monitors[0].series if one.name == "power_watts"]
        sizes[count] = (len(series.times) > 200, min(series.values), max(series.values))
    assert sizes == {2: (True, 350.0, 399.0), 60: (False, 350.0, 399.0)}


def test_a_report_over_hosts_reads_back_as_it_was_written(tmp_path, monkeypatch):
    report, _ = run(fleet_plan(tmp_path, 3), Fleet(result_of), monkeypatch)
    assert Report.model_validate_json(to_json(report)).over_hosts == report.over_hosts


@pytest.fixture
def crowd():
    """A display of 40 hosts that nobody looks at, its clock and what it printed."""
    stream, clock = io.StringIO(), FakeClock()
    hosts = tuple(host.host for host in many_hosts(40))
    return CrowdDisplay(Console(file=stream, width=100), hosts, Masker(), clock), clock, stream


def test_many_hosts_are_counted_now_and_then(crowd):
    display, clock, stream = crowd
    for number in range(30):
        display.start_case(f"node{number:03}", "digits", 1, 1)
        display.phase(f"node{number:03}", f"image: Step {number}/30 : RUN x")
    assert stream.getvalue() == ""
    clock.now += PLAIN_SECONDS
    display.progress("node000", Progress("c", 5, 10))
    assert stream.getvalue() == "40 hosts: 29 image · 10 waiting · 1 step c of a-g, framework validation\n"


def test_of_many_hosts_only_a_case_that_did_not_end_well_has_a_line(crowd):
    display, _, stream = crowd
    for number, status in enumerate(("OK", "TAINTED", "FAILED")):
        display.start_case(f"node00{number}", "digits", 1, 1)
        display.end_case(f"node00{number}", "digits", status, 12.0)
        display.leave(f"node00{number}")
    assert stream.getvalue() == "node002  1/1 digits: FAILED after 12 s\n"
    assert display.summary() == "40 hosts: 37 waiting · 3 done; cases: 1 OK, 1 TAINTED, 1 FAILED"


def test_in_a_terminal_many_hosts_take_a_bounded_number_of_lines():
    stream = io.StringIO()
    hosts = tuple(host.host for host in many_hosts(200))
    with CrowdDisplay(Console(file=stream, width=100, force_terminal=True), hosts, Masker()) as display:
        for host in hosts:
            display.phase(host, "packages")
        shown = display._view().plain.splitlines()
    assert (shown[0], len(shown)) == ("200 hosts: 200 packages", 1 + MOST_LINES)


@pytest.mark.parametrize(
    ("hosts", "terminal", "kind"),
    [(2, False, PlainDisplay), (2, True, BarDisplay), (13, True, CrowdDisplay), (13, False, CrowdDisplay)],
)
def test_few_hosts_have_lines_or_bars_of_their_own(hosts, terminal, kind):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert type(make_display(console, tuple(map(str, range(hosts))), Masker())) is kind


class Stubborn(FakeConnection):
    """Has files that the user who logged in may not remove."""

    def run(self, argv, **more):
        done = super().run(argv, **more)
        return replace(done, status=1) if list(argv[:2]) == ["rm", "-rf"] else done


def test_what_cannot_be_removed_from_a_host_is_named_with_its_remedy(tmp_path, monkeypatch):
    report, _ = run(fleet_plan(tmp_path, 1), Fleet(host=Stubborn), monkeypatch)
    [case] = report.cases
    [note] = [note for note in case.notes if "stays there" in note]
    assert note.startswith("node000: ")
    assert f"`sudo rm -rf /opt/accelmark/result/.guest-{report.run.id}/digits:pytorch_2.13/node000_noderank0` removes it" in note
