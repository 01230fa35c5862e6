"""A rootless engine, reached by DOCKER_HOST: cases run, files are the caller's, and limits that it ignores are said to be."""

import importlib.util
import shutil
from pathlib import Path

import other_user
import pytest
from rootless_fixtures import USER
from run_fixtures import MEASURED, copy_project
from toy import add_case

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def packages(rootless):
    """The guest's own packages, where the rootless engine's user can read them."""
    folder = rootless.folder / "packages"
    for name in ("yaml", "loguru", "numpy"):
        source = Path(importlib.util.find_spec(name).origin).parent
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        if (source.parent / f"{name}.libs").is_dir():
            shutil.copytree(source.parent / f"{name}.libs", folder / f"{name}.libs")
    return folder


@pytest.fixture
def theirs(rootless, packages, tmp_path):
    """A project of the user's, run as the user, whose cases run in containers of his own engine."""
    project = copy_project(rootless.folder / tmp_path.name / "project")
    project.environment.update(DOCKER_HOST=rootless.url, HOME=str(rootless.folder / "home"), PYTHONDONTWRITEBYTECODE="1")
    project.before = other_user.as_user(USER)
    project.write("docker_images/cpu/pytorch_here/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo built > /built\n")
    project.host_yaml(
        RUNTIME="docker",
        CONNECTION="local",
        BUILD_ARGS={"BASE_IMAGE": rootless.base_tag},
        ACCE_CONTAINER_OPT=f"-v {packages}:/packages:ro -e PYTHONPATH=/packages -m 256m --memory-swap 256m",
        CASES=add_case(project, "toy", framework="pytorch_here"),
    )
    other_user.give(project.folder.parent, USER)
    return project


def test_a_case_runs_in_a_rootless_engine_and_its_files_are_the_caller_s(theirs):
    finished = theirs.run()
    assert finished.status == 0, finished.output
    case = finished.case("toy")
    assert case["status"] in MEASURED
    assert case["environment"]["container"]
    owners = {path.lstat().st_uid for path in theirs.folder.rglob("*")}
    assert owners == {USER}
    assert {"result.json", "latencies.npz", "stdout_err.out.log"} <= {path.name for path in theirs.results.rglob("*")}
    limits = [note for note in case["notes"] if "not enforced" in note]
    ignoring = Path("/sys/fs/cgroup/cgroup.controllers").exists() is False
    assert [note.split()[1] for note in limits] == (["--memory", "--memory-swap"] if ignoring else [])
    assert "--memory is not enforced" in finished.output or not ignoring
    assert theirs.run("clean").status == 0


def test_a_network_device_that_the_engine_may_not_open_is_said_with_what_helps(theirs, rootless):
    rootless.network_device.chmod(0o600)
    try:
        refused = theirs.run()
        host_yaml = theirs.folder / "configs/host.yaml"
        host_yaml.write_text(host_yaml.read_text().replace("-m 256m", "--network=host -m 256m"))
        in_host_network = theirs.run()
    finally:
        rootless.network_device.chmod(0o666)
    [reason] = refused.case("toy")["reasons"]
    assert reason["kind"] == "CONFIG"
    assert 'slirp4netns failed: "open(\\"/dev/net/tun\\"): Permission denied' in reason["message"]
    assert "'chmod 0666 /dev/net/tun' as root, or add --network=host" in reason["message"]
    assert in_host_network.status == 0, in_host_network.output
