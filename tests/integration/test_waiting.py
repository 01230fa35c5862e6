"""Whatever waits for a guest blocks: run.py and its helpers leave the processor to who is measured."""

import time

import psutil
import pytest
from test_interrupt import wait_for
from toy import add_case

SLEEPS = "time.sleep({seconds})\nreturn inputs, 0.0"
SECONDS = 5.0
SHARE = 0.05


def processor_seconds(run):
    """What run.py and its children, but for the guest itself, have used so far."""
    used = {}
    for process in [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]:
        if "run_inference.py" not in process.cmdline()[1:2]:
            times = process.cpu_times()
            used[process.pid] = times.user + times.system
    return sum(used.values())


def share_while_waiting(project, framework, **keys):
    """The share of one processor that run.py takes while its guest sleeps in step f."""
    cases = add_case(project, "sleeps", framework=framework, call=SLEEPS.format(seconds=SECONDS + 10))
    project.host_yaml(CASES=cases, MONITOR_INTERVAL=2, **keys)
    run = project.start()
    try:
        wait_for(run, "step f of a-g")
        time.sleep(1.5)  # what it does at the step's beginning is over
        before, began = processor_seconds(run), time.monotonic()
        time.sleep(SECONDS)
        return (processor_seconds(run) - before) / (time.monotonic() - began)
    finally:
        run.send_signal(2)
        run.communicate(timeout=60)


def test_run_py_takes_next_to_no_processor_time_while_a_process_measures(project):
    assert share_while_waiting(project, "pytorch_2.13") < SHARE


@pytest.mark.docker
def test_run_py_takes_next_to_no_processor_time_while_a_container_measures(container_project):
    assert share_while_waiting(container_project, "pytorch_here", **container_project.docker) < SHARE
