"""A host where we are not root: we log in with a password, and nothing that root's containers wrote there is left behind."""

import time
from contextlib import suppress

import hosts
import psutil
import pytest
from run_fixtures import MEASURED
from test_interrupt import wait_for
from test_security_secrets import TELLING, leaks
from toy import add_case
from user_fixtures import NUMBER, PASSWORD

pytestmark = pytest.mark.docker


@pytest.fixture
def theirs(container_project, user_host):
    """A project whose cases run in containers on a host of a user's, who lets himself in with his key."""
    container_project.environment.update(HOME=str(user_host.home.parent), SSH_AUTH_SOCK="")
    (user_host.home / "data").mkdir()
    container_project.docker.update(user_host.keys, SSH_KEY=str(user_host.sshd.user_key), MONITOR_INTERVAL=0.2)
    return container_project


def case(project, user_host, name, **engine):
    return dict.fromkeys(
        add_case(project, name, f"engine_{name}", framework="pytorch_here", **engine), str(user_host.home / "data")
    )


def environments():
    """What the user's processes were given; there is no other process of his."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == NUMBER:
                found.append(process.environ())
    return found


def test_a_password_lets_us_in_and_stands_in_no_file_and_no_process_of_the_host(theirs, user_host):
    theirs.docker.pop("SSH_KEY")
    theirs.environment["ACCELMARK_SSH_PASSWORD"] = PASSWORD
    slow = "time.sleep(0.01)\nreturn inputs, 0.0"
    theirs.host_yaml(**theirs.docker, FLAGPERF_LOG_LEVEL="TRACE", CASES=case(theirs, user_host, "toy", code=TELLING, call=slow))
    run = theirs.start()
    seen = []
    while run.poll() is None:
        seen += environments()
        time.sleep(0.05)
    finished = theirs.finish(run)
    assert "RuntimeError: " in finished.case("toy")["reasons"][0]["message"], finished.output
    assert any(seen), "not one was seen"
    assert not [given for given in seen if PASSWORD in str(given)]
    assert leaks(theirs.folder, finished.output) == leaks(user_host.home) == []


DEEP = """
import os
def create_model(config):
    os.makedirs(config.log_dir + "/deep", mode=0o700)
    open(config.log_dir + "/deep/file", "w").write("found")
    def model(inputs):
        return inputs, 0.0
    return model
"""
"""Writes what only root may read or remove."""
HELD = {
    "compile": "import os\nself.pause = 0.5 if os.path.exists(config.data_dir + '/slow') else 0.0003",
    "call": "time.sleep(self.pause)\nreturn inputs, 0.0",
}
"""Takes half a minute as long as there is `slow` among the data."""


@pytest.fixture
def container(theirs, user_host, docker_client):
    """A run, and its container that has written into a folder of its own there."""
    theirs.host_yaml(**theirs.docker, CASES=case(theirs, user_host, "slow", code=DEEP, **HELD))
    (user_host.home / "data/slow").touch()
    run = theirs.start()
    wait_for(run, "1/1 slow:pytorch_here: step f")
    [found] = docker_client.containers.list(filters={"label": "accelmark.case=slow:pytorch_here"})
    yield run, found
    run.kill()
    run.wait()


def left(user_host):
    """What is still there of runs, and what of all our files is not the user's."""
    runs = [str(path) for path in (user_host.home / "code/result").rglob("*")]
    return runs + [str(path) for path in (user_host.home / "code").rglob("*") if path.lstat().st_uid != NUMBER]


def test_what_a_container_s_root_wrote_is_collected_although_the_container_was_removed(theirs, user_host, container):
    run, found = container
    found.remove(force=True)
    finished = theirs.finish(run)
    assert finished.case("slow")["reasons"][0]["kind"] == "CRASH", finished.output
    folder = theirs.results / "latest" / "slow:pytorch_here" / "127.0.0.1_noderank0"
    assert (folder / "deep/file").read_text() == "found"
    assert left(user_host) == []


@pytest.mark.parametrize("has_image", [True, False])
def test_clean_removes_what_a_killed_run_s_root_left_or_says_what_does(theirs, user_host, container, docker_client, has_image):
    run, found = container
    run.kill()
    found.remove(force=True)
    if not has_image:
        for image in docker_client.images.list(filters={"label": "accelmark.kind=image"}):
            docker_client.images.remove(image.id, force=True)
    [folder] = (user_host.home / "code/result").iterdir()
    cleaned = hosts.eventually(lambda: (done := theirs.run("clean")).status == 0 and done)  # once the lock is free
    assert (f"folder {folder}: removed\n" in cleaned.output) == has_image, cleaned.output
    assert (f"`sudo rm -rf {folder}` removes it" in cleaned.output) != has_image
    assert (left(user_host) == []) == has_image


def test_what_a_killed_run_s_root_left_is_removed_when_its_case_is_run_anew(theirs, user_host, container):
    run, found = container
    run.kill()
    found.remove(force=True)
    (user_host.home / "data/slow").unlink()
    resumed = theirs.run("run", "--resume", "--wait")
    assert (resumed.status, resumed.case("slow")["status"] in MEASURED) == (0, True), resumed.output
    assert left(user_host) == []
