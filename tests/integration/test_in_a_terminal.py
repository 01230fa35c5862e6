"""run.py in a real terminal: a bar per host, the report, and the screen as it was."""

import os
import pty
import re
import subprocess
import sys

from toy import add_case

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
SLOW = "time.sleep(0.05)\nreturn inputs, 0.0"


def screen(project, *arguments):
    """Run run.py on a terminal of its own; return its exit status and all that it wrote there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "150", "LINES": "40", "TERM": "xterm", **project.environment}
    command = [sys.executable, "run.py", *arguments]
    with subprocess.Popen(command, cwd=project.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        written = b"".join(iter(lambda: read(ours), b""))
    os.close(ours)
    return run.returncode, written.decode()


def read(terminal):
    """What is there; nothing once nobody has the terminal open any more, which Linux tells as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_terminal_shows_host_case_step_and_how_far_it_is(project):
    project.host_yaml(CASES=add_case(project, "toy", call=SLOW))
    status, written = screen(project)
    text = CONTROL.sub("", written)
    assert status == 0, text
    assert "127.0.0.1 · 1/1 toy:pytorch_2.13 · step f of a-g, engine forward" in text
    assert re.search(r"[1-9][0-9]* of 70 batches", text)
    assert re.search(r"127.0.0.1 · 1/1 toy:pytorch_2.13: (OK|TAINTED) after ", text)
    assert "report.html" in text
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") > 0  # the cursor that was hidden is there again
