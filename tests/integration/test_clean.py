"""`run.py clean` ends and removes what a killed run left, wherever FLAGPERF_LOG_PATH has its files lie on a host."""

import re

import psutil
import pytest
from quick_guest import hold, ran, use_quick_guest
from test_interrupt import at_work, eventually, left_over, wait_for
from toy import add_case


@pytest.fixture
def quick(project):
    use_quick_guest(project)
    return project


def killed(project):
    """Kill run.py while its guest is at work, and wait until that has been ended."""
    hold(project, "one")
    run = project.start()
    wait_for(run, "1/1 one:pytorch_2.13: guest")
    eventually(lambda: [words for words in at_work(project) if "run_inference.py" in words])
    run.kill()
    run.communicate()
    eventually(lambda: not [words for words in at_work(project) if "run_inference.py" in words])


def cleaned(project):
    """What clean says, once the killed run's lock is free."""
    tries = []
    eventually(lambda: tries.append(project.run("clean")) or "is in use by" not in tries[-1].output)
    assert tries[-1].status == 0, tries[-1].output
    return tries[-1].output


@pytest.mark.parametrize("log_path", ["result/", "../beside/result", "{tmp}/elsewhere"])
def test_clean_finds_what_a_killed_run_left_on_another_host(quick, sshd, tmp_path, log_path):
    there = tmp_path / "there"
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    places = {"CONNECTION": "ssh", "FLAGPERF_PATH": str(there), "FLAGPERF_LOG_PATH": log_path.format(tmp=tmp_path)}
    quick.host_yaml(CASES=add_case(quick, "one"), MONITOR_INTERVAL=0.1, **places, **keys)
    killed(quick)
    [folder] = tmp_path.glob("**/.guest-run*")
    said = cleaned(quick)
    assert said.count("127.0.0.1: monitor ") == 2, said
    assert re.search(f"^127.0.0.1: folder .*/{folder.name}: removed$", said, re.MULTILINE), said
    assert left_over(quick) == left_over(quick, there) == []
    assert not folder.exists()


def test_clean_ends_a_guest_that_outlived_run_py(quick):
    quick.host_yaml(CASES=add_case(quick, "one"))
    hold(quick, "one")
    run = quick.start()
    eventually(lambda: ran(quick, "began"))
    for process in [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]:
        if "run_inference.py" not in process.cmdline():
            process.kill()
    run.communicate()
    assert re.search("^127.0.0.1: guest [0-9]+ of .*: ended$", said := cleaned(quick), re.MULTILINE), said
    assert left_over(quick) == []
