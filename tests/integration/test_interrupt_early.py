"""Signals before anything runs, and one that is to be ignored: no traceback, and no folder of a run without its report."""

import signal

from test_interrupt import end, interrupted, wait_for
from toy import add_case


def ended_where(project, file, line):
    """Interrupt a run where this line begins; return what it came to."""
    code = project.folder / file
    pause = 'import time; print("dawdling", flush=True); time.sleep(1); '
    assert line in code.read_text()
    code.write_text(code.read_text().replace(line, pause + line, 1))
    project.host_yaml(CASES=add_case(project, "toy"))
    run = project.start()
    wait_for(run, "dawdling")
    return end(project, run, signal.SIGINT)[0]


def test_a_run_that_is_interrupted_as_its_folder_was_just_made_leaves_a_report_there(project):
    finished = ended_where(project, "utils/running.py", "folder = plan.results / plan.run_id")
    assert finished.status == 130, finished.output
    assert interrupted(finished, "toy") == ("FAILED", "INTERRUPTED")


def test_run_py_that_is_interrupted_while_it_loads_says_so_and_has_begun_nothing(project):
    finished = ended_where(project, "utils/cli.py", "import argparse")
    assert (finished.status, finished.output) == (130, "run.py: interrupted\n")
    assert list(project.results.iterdir()) == []


def test_under_nohup_a_run_outlives_the_terminal(project):
    project.before = ("nohup",)
    project.host_yaml(CASES=add_case(project, "toy", call="import time\ntime.sleep(0.03)\nreturn inputs, 0.0"))
    run = project.start()
    wait_for(run, "step f")
    run.send_signal(signal.SIGHUP)
    assert project.finish(run).status == 0
