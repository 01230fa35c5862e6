"""A report's files and its table each fail alone."""

import io

import pytest
from report_example import example_report
from rich.console import Console

from utils.report import pages
from utils.report.pages import FILES, Failure, show, tell, write, write_missing


def broken(error):
    def made(*_):
        raise error

    return made


@pytest.mark.parametrize("name", FILES)
def test_a_bug_in_a_file_costs_that_file_and_an_older_one_of_it(tmp_path, monkeypatch, name):
    monkeypatch.setitem(FILES, name, broken(KeyError("joules")))
    (tmp_path / name).write_text("of the run's first start")
    [failure] = write(example_report(), tmp_path)
    assert (failure.what, type(failure.error)) == (name, KeyError)
    assert {path.name for path in tmp_path.iterdir()} == FILES.keys() - {name}


def test_a_file_for_which_there_is_no_room_leaves_its_older_one(tmp_path, monkeypatch):
    monkeypatch.setitem(FILES, "report.html", broken(OSError(28, "No space left on device")))
    (tmp_path / "report.html").write_text("of the run's first start")
    [failure] = write(example_report(), tmp_path)
    assert isinstance(failure.error, OSError)
    assert (tmp_path / "report.html").exists()


def test_what_is_missing_is_made_again_and_what_is_there_stays(tmp_path):
    (tmp_path / "report.md").write_text("as it was")
    assert write_missing(example_report(), tmp_path) == []
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "report.md").read_text() == "as it was"


def test_a_bug_in_the_table_is_told_in_a_line_and_its_traceback_is_in_the_log(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pages, "print_report", broken(ZeroDivisionError("of HF_TOKEN=abcdefgh")))
    tell(show(example_report(), tmp_path), tmp_path)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"run.py: {tmp_path.name}: the table in the terminal cannot be made: ZeroDivisionError: of HF_TOKEN=***"
    )
    assert f"report it with host.out.log; once it is mended, `run.py report {tmp_path.name}` makes up for it" in line
    log = (tmp_path / "host.out.log").read_text()
    assert ("Traceback" in log, "abcdefgh" in log) == (True, False)


def test_a_log_that_cannot_be_written_is_no_further_error(tmp_path, capsys):
    tell([Failure("report.html", KeyError("joules"))], tmp_path / "gone")
    assert "report.html cannot be made: KeyError: 'joules'" in capsys.readouterr().err


def test_the_terminal_names_only_files_that_are_there(tmp_path):
    (tmp_path / "report.json").touch()
    shown = io.StringIO()
    assert show(example_report(), tmp_path, Console(file=shown, width=200)) == []
    assert "report.json" in shown.getvalue()
    assert "report.html" not in shown.getvalue()
    assert "report.md" not in shown.getvalue()
