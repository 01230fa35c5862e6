"""run.py killed at any moment: the next one goes on, each case is in the report exactly once, and nothing is left."""

import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack

import psutil
import pytest
from quick_guest import kept, measured, ran, use_quick_guest
from test_interrupt import containers, left_over, wait_for
from toy import add_case

POINTS = 20
SEED = 20
LOAD = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**5))"
"""Keeps a processor busy for as long as the test lives."""


@pytest.fixture(autouse=True)
def load():
    """All processors are busy: what a kill leaves unfinished takes its time."""
    with ExitStack() as stack:
        for _ in os.sched_getaffinity(0):
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", LOAD]))
            stack.callback(busy.kill)
        yield


def two(project, framework="pytorch_2.13"):
    return {**add_case(project, "one", framework=framework), **add_case(project, "two", framework=framework)}


def timed_lines(project):
    """The lines that another run has too, of one that nothing disturbs, each with its second."""
    run = project.start()
    began = time.monotonic()
    lines = [(time.monotonic() - began, line) for line in run.stdout]
    assert run.wait() == 0
    return [(0.0, None), *((second, line) for second, line in lines if a_phase(line)), (lines[-1][0], "")]


def a_phase(line):
    """Whether it tells what a host does, and not how a case ended: a busy machine gives another status."""
    return line.startswith("127.0.0.1 ") and " after " not in line


def killed_at(project, second, lines):
    """Kill a run as far after the same line as `second` was in the undisturbed run: a machine may be slower than it was."""
    since, line = max((found for found in lines[:-1] if found[0] <= second), key=lambda found: found[0])
    run = project.start()
    if line is not None:
        wait_for(run, line.strip())
    time.sleep(second - since)
    run.kill()
    run.communicate()


def check_resumed(project):
    """Resume, and compare with what was put away when run.py was killed."""
    before, numbers = kept(project), ran(project)
    resumed = project.run("run", "--resume")
    assert resumed.status == 0, resumed.output
    assert [case["case"] for case in resumed.report["cases"]] == ["one", "two"]
    for case in resumed.report["cases"]:
        assert case["metrics"]["validation_core"] == ran(project)[case["case"]][-1]
    for case, part in before.items():
        assert resumed.case(case) == part
        assert ran(project)[case] == numbers[case]
    assert measured(resumed.report).keys() == ran(project).keys()
    return resumed


def check_nothing_left(project, tmp):
    assert left_over(project) == []
    assert [path for path in project.results.glob("**/.*") if path.name != ".gitkeep"] == []
    assert list(tmp.iterdir()) == []
    assert not [path for path in (project.folder / "onnxs").iterdir() if path.name != "ran"]


def forget(project):
    """The state before the first run."""
    for path in [*project.results.glob("run*"), project.results / "latest"]:
        psutil.Popen(["rm", "-rf", path]).wait()
    (project.folder / "onnxs" / "ran").unlink(missing_ok=True)


def survives(project, after=lambda resumed: None):
    """Kill and resume at POINTS random moments of a run; return how many cases had been put away at each of them."""
    tmp = project.folder.parent / "tmp"
    tmp.mkdir()
    project.environment["TMPDIR"] = str(tmp)
    use_quick_guest(project)
    assert project.run().status == 0  # an image is built once
    lines = timed_lines(project)
    put_away = []
    dice = random.Random(SEED)
    for point in range(POINTS):
        forget(project)
        killed_at(project, lines[-1][0] * (point + dice.random()) / POINTS, lines)
        put_away.append(len(kept(project)))
        resumed = check_resumed(project)
        after(resumed)
        check_nothing_left(project, tmp)
    return put_away


def test_a_run_of_processes_survives_a_kill_at_any_moment(project):
    project.host_yaml(CASES=two(project), MONITOR_INTERVAL=0.1)
    assert {0, 1} <= set(survives(project))


@pytest.mark.docker
def test_a_run_of_containers_survives_a_kill_at_any_moment(container_project, docker_client):
    project = container_project
    project.host_yaml(CASES=two(project, "pytorch_here"), MONITOR_INTERVAL=0.1, **project.docker)

    def no_containers(resumed):
        assert containers(docker_client, resumed) == []

    assert {0, 1} <= set(survives(project, no_containers))
