"""What a run has on disk from its beginning, and what of it is read back."""

import dataclasses
from pathlib import Path

import pytest
from report_example import make_case, make_case_report, make_plan

from tools.errors import ConfigError, HostBusy
from utils.planning import Request
from utils.record import going_on, load_recorded, new_record, owned, part_path, parts
from utils.report.build import build_report
from utils.report.unfinished import advice, so_far
from utils.resume import request_record
from utils.runtime.masking import Masker

REQUEST = request_record(Request(config=Path("host.yaml")), Masker())


@pytest.fixture
def plan(tmp_path):
    """A plan of two cases on one host, and its folder."""
    case = make_case()
    plan = make_plan(tmp_path, cases=(case, dataclasses.replace(case, case="digits")))
    folder = tmp_path / plan.run_id
    for one in plan.cases:
        (folder / one.name).mkdir(parents=True)
    return plan


@pytest.fixture
def record(plan):
    made = new_record(plan, REQUEST, build_report(plan, [], 1e9, 0.0).run)
    made.write()
    return made


def test_a_plan_comes_back_from_disk_as_it_was_written(record):
    assert load_recorded(record.folder) == record.recorded
    assert len(record.recorded.token) == 32


def test_a_folder_without_a_plan_cannot_be_resumed(tmp_path):
    with pytest.raises(ConfigError, match=r"plan.json: cannot be read: .*; only a run that has it can be resumed"):
        load_recorded(tmp_path)


def test_a_plan_that_is_cut_off_is_an_error_that_names_the_file(record):
    (record.folder / "plan.json").write_text('{"schema": 1')
    with pytest.raises(ConfigError, match="plan.json"):
        load_recorded(record.folder)


def test_a_case_is_put_away_as_it_stands_in_the_report(record):
    report = make_case_report()
    record.keep(report)
    assert parts(record.folder) == [report]
    assert [path.name for path in record.folder.glob("resnet50*/*")] == ["localhost_noderank0.json"]


def test_a_part_that_cannot_be_read_counts_as_missing(record):
    report = make_case_report()
    record.keep(report)
    path = part_path(record.folder, report)
    path.write_text(path.read_text()[:-20])
    assert parts(record.folder) == []


def test_a_part_that_was_moved_to_another_case_is_not_believed(record):
    report = make_case_report()
    record.keep(report)
    part_path(record.folder, report).rename(record.folder / "digits:pytorch_2.13" / "localhost_noderank0.json")
    assert parts(record.folder) == []


def test_no_room_for_a_part_costs_no_case(record):
    report = make_case_report()
    part_path(record.folder, report).parent.rmdir()
    record.keep(report)
    assert parts(record.folder) == []


def test_a_run_belongs_to_one_process_at_a_time(record):
    with owned(record.folder):
        assert going_on(record.folder)
        with pytest.raises(HostBusy, match=r"still going on \(process \d+ of .* on .*, since 20"), owned(record.folder):
            pass
    assert not going_on(record.folder)


def test_what_is_on_disk_holds_no_password(plan):
    secret = dataclasses.replace(plan, environment={"URL": "https://me:secret@example.org/x"})
    request = request_record(Request(plan.config_file, settings=("PIP_SOURCE=https://me:secret@example.org/simple",)), Masker())
    record = new_record(secret, request, build_report(plan, [], 1e9, 0.0).run)
    record.write()
    assert "secret" not in (record.folder / "plan.json").read_text()
    assert not record.recorded.request.whole


def test_an_unfinished_run_is_shown_as_far_as_it_went(record):
    record.keep(make_case_report())
    report = so_far(record.folder)
    assert [case.case for case in report.cases] == ["resnet50"]
    assert report.run.summary == {report.cases[0].status: 1}
    told = advice(record.folder, report)
    assert "1 of 2 cases are finished; missing: digits:pytorch_2.13 on localhost" in told
    assert f"`run.py run --resume {record.folder.name}` goes on with it" in told
