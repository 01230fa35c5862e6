"""One run per host: the second says who was first, or waits; nothing that dies leaves a host locked."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from quick_guest import hold, let_go, measured, ran, use_quick_guest
from test_interrupt import eventually, left_over, wait_for
from test_resume import three

from utils import lock_holder


@pytest.fixture
def quick(project):
    use_quick_guest(project)
    project.host_yaml(CASES=three(project), MONITOR_INTERVAL=0.1)
    return project


@pytest.fixture
def busy(quick):
    """The project while a run of it goes on, which has reached its first guest; that has to be let go."""
    hold(quick, "one")
    run = quick.start("--case", "one")
    wait_for(run, "1/1 one:pytorch_2.13: guest")
    yield quick, run
    run.kill()
    run.communicate()


def test_a_second_run_says_who_has_the_host_and_leaves_nothing(busy):
    project, run = busy
    second = project.run("--case", "two")
    name = next(project.results.glob("run*")).name
    assert second.status == 3
    assert f"run.py: 127.0.0.1 is in use by {name} of " in second.output
    assert f"(process {run.pid} on " in second.output
    assert "come back when that has ended (`run.py run --wait` waits for it)" in second.output
    assert {path.name for path in project.results.iterdir()} == {name, "latest"}
    assert (project.results / "latest").resolve().name == name
    let_go(project, "one")
    first = project.finish(run)
    assert (first.status, list(ran(project))) == (0, ["one"])


def test_clean_takes_nothing_from_a_run_that_lives(busy):
    project, run = busy
    cleaned = project.run("clean")
    assert (cleaned.status, "127.0.0.1 is in use by run" in cleaned.output) == (3, True), cleaned.output
    assert cleaned.output.rstrip().endswith("; end that, or wait until it has ended; then clean again"), cleaned.output
    let_go(project, "one")
    assert project.finish(run).status == 0


def test_a_second_run_that_waits_runs_afterwards(busy):
    project, run = busy
    second = project.start("run", "--case", "two", "--wait")
    wait_for(second, "127.0.0.1: waits for run")
    assert "two" not in ran(project, "began")
    let_go(project, "one")
    project.finish(run)
    finished = project.finish(second)
    assert (finished.status, list(ran(project))) == (0, ["one", "two"])
    assert measured(finished.report) == {"two": ran(project)["two"][0]}


def test_a_run_that_waits_can_be_interrupted(busy):
    project, run = busy
    second = project.start("run", "--case", "two", "--wait")
    wait_for(second, "127.0.0.1: waits for run")
    second.send_signal(signal.SIGINT)
    assert project.finish(second, timeout=60).status == 130
    let_go(project, "one")
    assert project.finish(run).status == 0


def test_a_run_that_was_killed_leaves_no_lock(busy):
    project, run = busy
    run.kill()
    run.wait()
    assert project.run("--case", "two").status == 0
    assert left_over(project) == []


def test_the_lock_holds_over_ssh_too(busy, sshd):
    project, run = busy
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    there = project.folder.parent / "there"
    project.host_yaml(CASES=three(project), CONNECTION="ssh", FLAGPERF_PATH=str(there), **keys)
    second = project.run("--case", "two")
    assert (second.status, "127.0.0.1 is in use by run" in second.output) == (3, True), second.output
    let_go(project, "one")
    assert project.finish(run).status == 0
    assert project.run("--case", "two").status == 0
    assert project.run("--case", "three").status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces")
def test_runs_in_containers_of_their_own_see_each_other_by_the_folder_that_they_share(quick):
    del quick.environment["ACCELMARK_LOCK"]
    quick.before = ("unshare", "--net")
    hold(quick, "one")
    run = quick.start("--case", "one")
    wait_for(run, "1/1 one:pytorch_2.13: guest")
    second = quick.run("--case", "two")
    assert second.status == 3, second.output
    assert f"a run in another container or network namespace, which has {quick.folder} too" in " ".join(second.output.split())
    waiting = quick.start("run", "--case", "two", "--wait")
    wait_for(waiting, "127.0.0.1: waits for a run in another container")
    run.kill()
    run.communicate()
    assert quick.finish(waiting).status == 0
    assert list(ran(quick)) == ["two"]


CLAIM = {"token": "a", "run": "run1", "host": "node1", "user": "bench", "machine": "head", "pid": 7, "since": 1e9}


@pytest.fixture
def claimed(tmp_path):
    """Starts lock_holder.py with a claim, by the command `inside`; `changes` go into that."""
    holders = []

    def claim(waits="once", folder="", inside=(), **changes):
        name = f"accelmark-test-{tmp_path}"[-90:]
        command = [*inside, sys.executable, lock_holder.__file__, name, json.dumps({**CLAIM, **changes}), waits, folder]
        holders.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return holders[-1]

    yield claim
    for holder in holders:
        holder.kill()
        holder.communicate()


def by_root(process):
    return {"process": process.pid, "user_id": 0, "user_name": "root", "stranger": False}


def test_who_holds_the_lock_is_known_by_what_the_kernel_says(claimed):
    first = claimed()
    assert first.stdout.readline() == "held\n"
    said = claimed(token="b").stdout.readline()
    assert json.loads(said.removeprefix("busy ")) == {**CLAIM, **by_root(first)}


def test_a_lock_is_handed_over_to_the_same_run_before_anybody_who_waits(claimed):
    first, waiting = claimed(), None
    first.stdout.readline()
    waiting = claimed("wait", token="b")
    assert waiting.stdout.readline().startswith("busy ")
    again = claimed()
    assert (again.stdout.readline(), first.wait(60)) == ("held\n", 0)
    again.kill()
    assert "held\n" in iter(waiting.stdout.readline, "")  # it may say first who has it now


def test_two_names_of_one_machine_in_one_run_share_its_lock(claimed):
    first = claimed()
    first.stdout.readline()
    assert claimed(host="127.0.0.1").stdout.readline() == "held\n"
    first.kill()

    def busy():
        other = claimed(token="b")
        said = other.stdout.readline()
        other.kill()  # who comes just then may have it before the second one, and is to give it back
        return said.startswith("busy ")

    eventually(busy)


def test_a_holder_that_is_frozen_still_has_the_lock(claimed):
    first = claimed()
    first.stdout.readline()
    first.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    said = json.loads(claimed(token="b").stdout.readline().removeprefix("busy "))
    assert (said, time.monotonic() - began < 60) == (by_root(first), True)


OTHER_NETWORK = ("unshare", "--net")
IMPOSTOR = """
import os, socket, sys
os.setuid(54321)
server = socket.socket(socket.AF_UNIX)
server.bind("\\0" + sys.argv[1])
server.listen()
print("ready", flush=True)
while True:
    caller = server.accept()[0]
    caller.sendall(sys.argv[2].encode() + b"\\n")
    if caller.recv(100):
        print("was told the token", flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces")
def test_a_folder_s_lock_goes_with_its_holder_or_over_to_the_same_run(claimed, tmp_path):
    first = claimed(folder=str(tmp_path), inside=OTHER_NETWORK)
    assert first.stdout.readline() == "held\n"
    said = claimed(token="b", folder=str(tmp_path)).stdout.readline()
    assert json.loads(said.removeprefix("busy ")) == {"folder": str(tmp_path), **by_root(first)}
    again = claimed(folder=str(tmp_path), inside=("nsenter", f"--net=/proc/{first.pid}/ns/net"))
    assert (again.stdout.readline(), first.wait(60)) == ("held\n", 0)
    waiting = claimed("wait", token="b", folder=str(tmp_path))
    assert waiting.stdout.readline().startswith("busy ")
    again.kill()
    assert waiting.stdout.readline() == "held\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces")
@pytest.mark.parametrize("folder", ["", "/proc", "/no/such/folder"])
def test_a_folder_without_locks_of_this_machine_keeps_nobody_away(claimed, folder):
    assert claimed(folder=folder, inside=OTHER_NETWORK).stdout.readline() == "held\n"
    assert claimed(folder=folder, token="b").stdout.readline() == "held\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_user_who_repeats_our_claim_is_neither_believed_nor_told_the_token(claimed, tmp_path):
    name, line = f"accelmark-test-{tmp_path}"[-90:], json.dumps({**CLAIM, "folder": 5})
    with subprocess.Popen([sys.executable, "-c", IMPOSTOR, name, line], stdout=subprocess.PIPE, text=True) as impostor:
        try:
            assert impostor.stdout.readline() == "ready\n"
            known = json.loads(claimed().stdout.readline().removeprefix("busy "))
            assert known == {**CLAIM, "process": impostor.pid, "user_id": 54321, "user_name": "", "stranger": True}
            assert claimed("wait").stdout.readline().startswith("busy ")
        finally:
            impostor.kill()
        assert impostor.stdout.read() == ""
