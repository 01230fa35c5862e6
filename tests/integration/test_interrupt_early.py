"""Signals before anything runs, and one that is to be ignored: no traceback, and no folder of a run without its report."""

import signal
import socket
import time
from contextlib import contextmanager

import pytest
from test_interrupt import end, interrupted, left_over, wait_for
from toy import add_case


def ended_where(project, file, line):
    """Interrupt a run where this line begins; return what it came to."""
    code, go_on = project.folder / file, project.folder / "go on"
    until = f"[time.sleep(0.05) for _ in iter(lambda: os.path.exists({str(go_on)!r}), True)]"
    pause = f'import os, time; print("dawdling", flush=True); {until}; '
    assert line in code.read_text()
    code.write_text(code.read_text().replace(line, pause + line, 1))
    project.host_yaml(CASES=add_case(project, "toy"))
    run = project.start()
    wait_for(run, "dawdling")
    return end(project, run, signal.SIGINT, then=go_on.touch)[0]


def test_a_run_that_is_interrupted_as_its_folder_was_just_made_leaves_a_report_there(project):
    finished = ended_where(project, "utils/running.py", "folder = plan.results / plan.run_id")
    assert finished.status == 130, finished.output
    assert interrupted(finished, "toy") == ("FAILED", "INTERRUPTED")


def test_run_py_that_is_interrupted_while_it_loads_says_so_and_has_begun_nothing(project):
    finished = ended_where(project, "utils/cli.py", "import argparse")
    assert (finished.status, finished.output) == (130, "run.py: interrupted\n")
    assert list(project.results.iterdir()) == []


@contextmanager
def silent_port():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def deaf_port():
    """A port whose queue is full, so that who connects waits for an answer as to a host that is switched off."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for caller in callers:
            caller.close()


@pytest.mark.parametrize("port", [silent_port, deaf_port])
def test_a_run_can_be_interrupted_while_it_connects(project, port):
    login = project.folder / "utils/connection/ssh_target.py"
    login.write_text(login.read_text().replace("CONNECT_SECONDS = 10.0", "CONNECT_SECONDS = 100.0"))
    with port() as number:
        project.host_yaml(CONNECTION="ssh", SSH_PORT=number, CASES=add_case(project, "never"))
        run = project.start()
        wait_for(run, "connecting")
        time.sleep(1)  # until it waits for the other side
        finished, seconds = end(project, run, signal.SIGINT)
    assert finished.status == 130, finished.output
    assert interrupted(finished, "never") == ("FAILED", "INTERRUPTED")
    assert "127.0.0.1: interrupted by the user" in finished.output
    assert left_over(project) == []
    assert seconds < 50


def test_under_nohup_a_run_outlives_the_terminal(project):
    project.before = ("nohup",)
    project.host_yaml(CASES=add_case(project, "toy", call="import time\ntime.sleep(0.03)\nreturn inputs, 0.0"))
    run = project.start()
    wait_for(run, "step f")
    run.send_signal(signal.SIGHUP)
    assert project.finish(run).status == 0
