"""Passwords and tokens: wherever they are given, they stand in no file, log, report or message afterwards."""

import secrets
from contextlib import suppress
from pathlib import Path

import pytest
from ssh_fixtures import make_key
from toy import add_case

PIP, TOKEN, ARGUMENT, PASSWORD = "p1p-s3cr3t/with@signs", "t0ken-s3cr3t", "4rgument-s3cr3t", "ssh-s3cr3t"
SECRETS = (PIP, PIP.replace("/", "%2F").replace("@", "%40"), TOKEN, ARGUMENT, PASSWORD)
SOURCE = f"http://me:{SECRETS[1]}@127.0.0.1:9/simple"
TELLING = """
def create_model(config):
    import os, sys
    from loguru import logger
    said = " ".join(f"{name}={value}" for name, value in os.environ.items())
    print(said)
    logger.info(said)
    raise RuntimeError(said)
"""


def leaks(folder, *outputs):
    """The files below a folder, and the outputs, in which a secret stands."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    found = [str(path) for path in files if any(secret.encode() in path.read_bytes() for secret in SECRETS)]
    return found + [text for text in outputs if any(secret in text for secret in SECRETS)]


def test_what_a_guest_tells_of_pip_s_password_is_masked(project):
    project.host_yaml(PIP_SOURCE=SOURCE, CASES=add_case(project, "toy", code=TELLING), FLAGPERF_LOG_LEVEL="TRACE")
    finished = project.run()
    assert finished.status == 1
    assert "RuntimeError" in finished.case("toy")["reasons"][0]["message"]
    assert "***@127.0.0.1" in (project.results / "latest/toy:pytorch_2.13/127.0.0.1_noderank0/stdout_err.out.log").read_text()
    assert leaks(project.results, finished.output, project.run("report").output, project.run("check").output) == []


def test_what_was_typed_on_the_command_line_is_masked(project):
    project.host_yaml(CASES=add_case(project, "toy"))
    typed = ("--set", f"PIP_SOURCE={SOURCE}", "--set", f"BUILD_ARGS={{API_TOKEN: {ARGUMENT}}}")
    finished = project.run("run", *typed, "--set", f"ACCE_CONTAINER_OPT=-e HF_TOKEN={TOKEN}")
    assert finished.status == 0, finished.output
    assert "***" in (project.results / "latest/report.json").read_text()
    assert leaks(project.results, finished.output) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"ACCE_CONTAINER_OPT": f"-e HF_TOKEN='{TOKEN}"},
        {"ACCE_CONTAINER_OPT": f"-e HF_TOKEN=my {TOKEN} --nope"},
        {"ACCE_CONTAINER_OPT": f"-e ={TOKEN}"},
        {"BUILD_ARGS": {"API_TOKEN": [TOKEN]}},
        {"BUILD_ARGS": {"API_TOKEN": TOKEN}, "RUNTIME": "docker"},
        {"IMAGE_REGISTRY": f"https://me:{TOKEN}@registry/x", "RUNTIME": "docker"},
        {"PIP_SOURCE": [SOURCE]},
    ],
    ids=str,
)
def test_a_complaint_about_a_secret_does_not_tell_it(project, keys):
    project.host_yaml(**keys)
    finished = project.run("check")
    assert finished.status == 2, finished.output
    assert leaks(project.results, finished.output) == []


@pytest.mark.docker
def test_builds_and_containers_leave_no_secret_behind(container_project, base_tag, docker_client):
    project = container_project
    project.write(
        "docker_images/cpu/pytorch_here/Dockerfile",
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG API_TOKEN\nARG PIP_INDEX_URL\nRUN echo ${API_TOKEN} ${PIP_INDEX_URL}\n",
    )
    keys = {**project.docker, "PIP_SOURCE": SOURCE, "FLAGPERF_LOG_LEVEL": "TRACE"}
    keys["BUILD_ARGS"] = {**keys["BUILD_ARGS"], "API_TOKEN": ARGUMENT}
    keys["ACCE_CONTAINER_OPT"] += f" -e HF_TOKEN={TOKEN} --hostname tell"
    project.host_yaml(**keys, CASES=add_case(project, "toy", code=TELLING, framework="pytorch_here"))
    finished = project.run()
    assert finished.status == 1
    assert "RuntimeError" in finished.case("toy")["reasons"][0]["message"], finished.output
    log = (project.results / "latest/host.out.log").read_text()
    assert "docker history" in log, "whoever reads the log knows that the image must not be pushed"
    assert leaks(project.results, finished.output) == []


@pytest.mark.docker
def test_a_failing_build_and_refused_options_tell_no_secret(container_project):
    project = container_project
    project.write(
        "docker_images/cpu/pytorch_here/Dockerfile",
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG API_TOKEN\nRUN echo failing with ${API_TOKEN} && false\n",
    )
    keys = {**project.docker, "BUILD_ARGS": {**project.docker["BUILD_ARGS"], "API_TOKEN": ARGUMENT}}
    project.host_yaml(**keys, CASES=add_case(project, "toy", framework="pytorch_here"))
    failed = project.run()
    assert failed.case("toy")["reasons"][0]["kind"] == "IMAGE"
    project.write("docker_images/cpu/pytorch_here/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    options = f"{project.docker['ACCE_CONTAINER_OPT']} -e HF_TOKEN={TOKEN} --runtime nowhere"
    cases = add_case(project, "toy", framework="pytorch_here")
    project.host_yaml(**{**project.docker, "ACCE_CONTAINER_OPT": options}, CASES=cases)
    refused = project.run()
    assert "this --runtime is not configured" in refused.output
    assert leaks(project.results, failed.output, refused.output) == []


def test_a_login_that_fails_tells_no_password(project, sshd, tmp_path):
    keys = {"SSH_KEY": str(make_key(tmp_path / "stranger")), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    project.host_yaml(CONNECTION="ssh", FLAGPERF_LOG_LEVEL="TRACE", CASES=add_case(project, "toy"), **keys)
    project.environment["ACCELMARK_SSH_PASSWORD"] = PASSWORD
    finished, checked = project.run(), project.run("check")
    assert (finished.status, checked.status) == (3, 3)
    assert "the password in ACCELMARK_SSH_PASSWORD" in finished.output
    assert leaks(project.folder, finished.output, checked.output) == []
    assert leaks(sshd.folder) == []


def test_guests_and_monitors_are_not_given_the_ssh_password(project):
    project.host_yaml(CASES=add_case(project, "toy", code=TELLING))
    project.environment["ACCELMARK_SSH_PASSWORD"] = PASSWORD
    finished = project.run()
    log = (project.results / "latest/toy:pytorch_2.13/127.0.0.1_noderank0/stdout_err.out.log").read_text()
    assert "RANK=0" in log
    assert leaks(project.results, finished.output) == []


def test_pip_s_password_is_on_no_command_line(project):
    password = secrets.token_hex(8)  # its own, as the other tests' stand on command lines of theirs
    project.write("benchmarks/toy/pytorch/requirements.txt", "a-package-that-is-nowhere==1\n")
    project.environment["PIP_RETRIES"] = "0"
    project.host_yaml(PIP_SOURCE=f"http://me:{password}%2Fsigns@127.0.0.1:9/simple", CASES=add_case(project, "toy"))
    process = project.start()
    seen = set()
    while process.poll() is None:
        seen |= command_lines()
    assert any("\0pip\0install\0" in line and str(project.folder) in line for line in seen)
    assert not [line for line in seen if password in line]
    project.finish(process)


def command_lines():
    found = set()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            found.add((process / "cmdline").read_bytes().decode(errors="replace"))
    return found
