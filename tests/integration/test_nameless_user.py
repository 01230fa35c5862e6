"""A user id without a name, as in many containers: everything works, and errors show the number."""

import shutil
import subprocess
import sys

import other_user
import pytest
from run_fixtures import MEASURED, in_container
from toy import add_case
from user_fixtures import engine_group

USER = 54321
NAMELESS = ("env", *(f"--unset={name}" for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME")))
ASKING = "import getpass, pathlib\nassert (getpass.getuser(), str(pathlib.Path.home())) == ('54321', '/')"
"""As libraries do."""


@pytest.fixture
def theirs():
    """A project that belongs to such a user and is run by him."""
    with other_user.project_elsewhere("nameless") as project:
        project.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        project.before = (*NAMELESS, *other_user.as_user(USER))
        project.host_yaml(CASES=add_case(project, "toy", compile=ASKING))
        yield project


def give(project):
    other_user.give(project.folder.parent, USER)
    return project


def test_a_run_as_a_process_names_its_user_by_number(theirs):
    finished = give(theirs).run()
    assert finished.status == 0, finished.output
    assert finished.case("toy")["status"] in MEASURED


def test_a_guest_by_hand_finds_a_name_and_a_home(theirs):
    folder = give(theirs).folder
    words = {"data_dir": theirs.data, "log_dir": folder / "logs", "loglevel": "INFO", "case": "toy", "vendor": "cpu"}
    options = [word for name, value in words.items() for word in (f"--{name}", value)]
    command = [*theirs.before, sys.executable, "run_inference.py", *options, "--framework", "pytorch"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ssh_needs_a_user_s_name_and_says_so(theirs, sshd):
    key = shutil.copy(sshd.user_key, theirs.folder / "key")
    keys = {"CONNECTION": "ssh", "SSH_PORT": sshd.port, "SSH_KEY": str(key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts)}
    cases = add_case(theirs, "toy")
    theirs.host_yaml(**keys, CASES=cases, FLAGPERF_PATH=str(theirs.folder / "there"))
    refused = give(theirs).run()
    assert f"127.0.0.1:{sshd.port} does not let 54321 in" in refused.case("toy")["reasons"][0]["message"]
    theirs.host_yaml(**keys, CASES=cases, FLAGPERF_PATH=str(theirs.folder / "there"), SSH_USER="root")
    finished = give(theirs).run()
    assert finished.status == 0, finished.output


def test_an_engine_that_is_closed_to_the_user_says_to_whom(theirs, docker_engine):
    theirs.host_yaml(RUNTIME="docker", CONNECTION="local", CASES=add_case(theirs, "toy"))
    refused = give(theirs).run()
    assert "54321 may not use it; add that user to the docker group" in refused.case("toy")["reasons"][0]["message"]


@pytest.mark.docker
def test_a_container_s_user_without_a_name_measures_too(theirs, base_tag, docker_client):
    theirs.before = (*NAMELESS, *other_user.as_user(USER, groups=f"--groups={engine_group()}"))
    with in_container(theirs, base_tag, docker_client):
        keys = {**theirs.docker, "ACCE_CONTAINER_OPT": f"{theirs.docker['ACCE_CONTAINER_OPT']} --user {USER}:{USER} -e HOME="}
        theirs.host_yaml(**keys, CASES=add_case(theirs, "toy", framework="pytorch_here", compile=ASKING))
        finished = give(theirs).run()
    assert finished.status == 0, finished.output
    assert finished.case("toy")["environment"]["container"]
