"""Log files on a full disk."""

from pathlib import Path

from utils.text_log import appending


def test_lines_are_appended_as_they_come(tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    with appending(log) as append:
        append("naïve")
        assert log.read_text() == "before\nnaïve\n"


def test_a_full_disk_ends_the_log_and_is_told_once():
    told = []
    with appending(Path("/dev/full"), told.append) as append:
        append("one")
        append("two")
    assert told == ["full ends early: No space left on device"]
