"""What others print is shown without what a terminal would obey: as text, in log files, in reports, in the terminal itself."""

import re
import time
from pathlib import Path

import pytest
from loguru import logger
from report_example import make_report
from rich.table import Table
from rich.text import Text

from tools.errors import CommandError, ConfigError
from utils import cli
from utils.connection.base import Completed
from utils.console import PlainConsole
from utils.plain_text import may_steer, plain, plain_everywhere
from utils.report.schema import Report
from utils.stdio import complain
from utils.text_log import appending

LINK = "\x1b]8;;https://evil.example/\x1b\\a link\x1b]8;;\x1b\\"
EVIL = f"\x1b[31mred\x1b[0m {LINK} \x1b]0;title\x07\x9b2J\u202ebidi"
SHOWN = "red a link bidi"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mERROR\x1b[0m: no\x1b[K", "ERROR: no"),
        ("\x9b31mred\x9b0m", "red"),
        (LINK, "a link"),
        ("\x1b]0;title\x07text", "text"),
        ("\x9dtitle\x9ctext", "text"),
        ("\x1bPq#0;2;0\x1b\\text", "text"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\x1b(Btext\x1b7\x1bc", "text"),
        ("cut \x1b[3", "cut "),
        ("\x1b\x1b[0m[31m", "[31m"),
        ("10%\r50%\r100%", "100%"),
        ("10%\r100%\r\x1b[K\nnext\r\n", "100%\nnext\n"),
        ("pass\b\b\b\bword", "word"),
        ("\b\bx", "x"),
        ("a\u202eb\u2066c\u2069\u200fd", "abcd"),
        ("one\u2028two\x85three\x0bfour", "one two three four"),
        ("bell\x07 null\x00 \x7f", "bell null "),
    ],
)
def test_what_a_terminal_obeys_is_taken_out(text, shown):
    assert plain(text) == shown
    assert may_steer(text.encode())


@pytest.mark.parametrize("text", ["  indented\twith a tab\n\nand naïve ✓ 日本語 — 1\u00a0%", "C:\\[31m", ""])
def test_text_stays_as_it_is(text):
    assert plain(text) == text
    assert not may_steer(text.encode())


@pytest.mark.parametrize("piece", ["\x9d", "\x1b]", "\x1b[", "x\b", "\b", "\r", "\x1b]0;x"])
def test_no_text_takes_long(piece):
    began = time.monotonic()
    plain(piece * 200_000)
    assert time.monotonic() - began < 5


def test_keys_and_values_in_all_their_depth_are_plain():
    value = {EVIL: [EVIL, {"x": (EVIL, 1)}], "n": [1.5, 2], "none": None}
    assert plain_everywhere(value) == {SHOWN: [SHOWN, {"x": [SHOWN, 1]}], "n": [1.5, 2], "none": None}


def test_a_log_file_gets_plain_lines(tmp_path):
    with appending(tmp_path / "log") as append:
        append(EVIL)
    assert (tmp_path / "log").read_text() == f"{SHOWN}\n"


def test_a_failed_command_s_last_lines_are_plain():
    with pytest.raises(CommandError, match=f"exit 1\nfirst\n{SHOWN}$"):
        Completed(("tool",), 1, "", f"first\n{EVIL}\n").check()


def test_a_report_that_somebody_sent_is_plain_once_it_is_read():
    report = make_report()
    sent = report.model_dump(mode="json", by_alias=True)
    sent["run"]["vendor"] = sent["cases"][0]["engine"]["describe"] = EVIL
    sent["cases"][0]["notes"], sent["cases"][0]["reasons"] = [EVIL], [{"kind": EVIL, "message": EVIL}]
    read = Report.model_validate(sent)
    case = read.cases[0]
    assert [read.run.vendor, case.engine["describe"], *case.notes] == [SHOWN] * 3
    assert (case.reasons[0].kind, case.reasons[0].message) == (SHOWN, SHOWN)


def test_the_terminal_shows_plain_text_whatever_it_is_given(capsys):
    table = Table()
    table.add_row(EVIL, Text(EVIL))
    PlainConsole().print(table, EVIL, Text(EVIL))
    printed = capsys.readouterr().out
    assert printed.count("red") == 4
    assert not set("\x1b\x07\x9b\u202e") & set(printed)


def test_a_terminal_keeps_the_colours_that_are_ours(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    PlainConsole().print(Text("\x1b[31mred\x1b[0m", style="bold"))
    assert capsys.readouterr().out == "\x1b[1mred\x1b[0m\n"


def test_run_py_makes_no_other_console():
    sources = Path(cli.__file__).parent.rglob("*.py")
    assert [path for path in sources if re.search(r"(?<!Plain)\bConsole\(", path.read_text())] == []


def test_what_went_wrong_is_printed_plain(capsys):
    complain(ConfigError(EVIL))
    assert capsys.readouterr().err == f"run.py: {SHOWN}\n"


def test_a_warning_reaches_no_log_with_what_steers_it(monkeypatch):
    lines = []
    sink = logger.add(lines.append, format="{message}")
    monkeypatch.setattr(cli, "_list", lambda options: logger.warning("{} says {}", "node1", EVIL) or 0)
    assert cli.main(["list"]) == 0
    logger.remove(sink)
    assert lines == [f"node1 says {SHOWN}\n"]
