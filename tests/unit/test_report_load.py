"""Finding and reading finished runs."""

import io
import json

import pytest
from report_example import example_report
from rich.console import Console

from tools.errors import ConfigError
from utils.report.build import REPORT_FILE, to_json
from utils.report.load import all_runs, find_run, load, point_latest, remove_run, run_folder
from utils.report.terminal import print_report


@pytest.fixture
def results(tmp_path):
    for name in ("run20250101000000", "run20250102000000", "run20250102111111"):
        (tmp_path / name).mkdir()
        (tmp_path / name / REPORT_FILE).write_text(to_json(example_report()), encoding="utf-8")
    (tmp_path / "run20250103000000").mkdir()  # still running
    return tmp_path


def test_without_a_name_the_newest_finished_run_is_found(results):
    assert find_run(results).name == "run20250102111111"
    assert find_run(results, "latest").name == "run20250102111111"


@pytest.mark.parametrize("name", ["run20250102000000", "run2025010200", "2025010200"])
def test_the_beginning_of_a_runs_name_is_enough(results, name):
    assert find_run(results, name).name == "run20250102000000"


def test_a_runs_folder_is_as_good_as_its_name(results):
    assert run_folder(str(results / "run20250101000000")) == results / "run20250101000000"
    assert [run_folder(path) for path in ("run20250101000000", str(results), "", None)] == [None] * 4


def test_a_beginning_that_several_runs_share_is_refused(results):
    with pytest.raises(ConfigError, match="several runs: run20250102111111, run20250102000000"):
        find_run(results, "run20250102")


def test_an_unknown_run_is_answered_with_the_newest_ones(results):
    with pytest.raises(ConfigError, match="no run 'run1999'; the newest are: run20250102111111"):
        find_run(results, "run1999")


def test_no_run_at_all_is_said(tmp_path):
    with pytest.raises(ConfigError, match="no run yet"):
        find_run(tmp_path)


def test_latest_points_to_the_newest_and_is_no_run_of_its_own(results):
    point_latest(results / "run20250101000000")
    point_latest(results / "run20250102000000")
    assert (results / "latest").resolve().name == "run20250102000000"
    assert (results / "latest").readlink().name == "run20250102000000"
    assert len(all_runs(results)) == 3


def test_latest_never_goes_back_to_an_older_run(results):
    point_latest(results / "run20250102000000")
    point_latest(results / "run20250101000000")
    assert (results / "latest").readlink().name == "run20250102000000"


def test_latest_goes_back_where_the_newest_run_is_removed(results):
    newest = results / "run20250102111111"
    point_latest(newest)
    remove_run(newest)
    assert (results / "latest").readlink().name == "run20250102000000"
    for run in all_runs(results):
        remove_run(run)
    assert not (results / "latest").is_symlink()


def test_a_written_report_is_read_back(results):
    assert load(results / "run20250101000000") == example_report()


def test_a_report_of_the_first_schema_is_still_read(results):
    path = results / "run20250101000000" / REPORT_FILE
    raw = json.loads(path.read_text())
    for case in raw["cases"]:
        for added in ("sweep", "scenarios", "audit", "profiles", "difference", "validation_difference"):
            del case[added]
        del case["metrics"]["phases"]
    path.write_text(json.dumps({**raw, "schema": 1}))
    old = load(path.parent)
    assert (old.schema_version, old.cases[0].sweep) == (2, [])
    print_report(old, Console(file=io.StringIO()))


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 99, "run": {}, "cases": []}', "\udcff"])
def test_what_is_no_report_is_refused_with_its_path(tmp_path, text):
    (tmp_path / REPORT_FILE).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=REPORT_FILE):
        load(tmp_path)
