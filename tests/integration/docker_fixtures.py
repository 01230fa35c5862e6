"""Fixtures with a real Docker engine: the default one, or a private one where none answers."""

import os
import shutil
import socket
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import base_image
import docker
import pytest
import services
from docker.errors import DockerException, ImageNotFound

from utils.connection.local import LocalConnection
from utils.connection.patience import Patience
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan
from utils.runtime.container import ContainerPlace

RUN_ID = "20990101000000"
OWN_WORLD = ("unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL")
"""An engine in it leaves alone the bridge and the addresses of another one on this machine, and its containers die with it."""
OWN_MOUNTS = ("unshare", "--mount", "--propagation", "slave")
"""What an engine in it mounts is gone with it; it sees what is mounted here."""
FORGET_DOCKER = Path(services.__file__).with_name("forget_docker.sh")


def engine_answers():
    try:
        client = docker.from_env()
        client.ping()
        client.close()
    except DockerException:
        return False
    return True


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory):
    """An engine that DOCKER_HOST, or the default socket, leads to."""
    if engine_answers():
        yield
        return
    if "docker0" not in (name for _, name in socket.if_nameindex()):
        services.afterwards("sh", FORGET_DOCKER)
    with private_engine(tmp_path_factory.mktemp("dockerd"), inside=OWN_MOUNTS):
        yield


@contextmanager
def private_engine(folder, inside=OWN_WORLD):
    """An engine of our own that DOCKER_HOST leads to, started by the command `inside`; yields its process."""
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        pytest.skip("only root, with dockerd installed, can start a Docker engine")
    short = Path(tempfile.mkdtemp(prefix="accelmark-engine-"))  # a socket's name has 107 letters at most
    services.afterwards("rm", "-rf", short)
    services.cgroups_removed_afterwards(short.name)
    short.chmod(0o711)  # for users of the group that may use it
    url = f"unix://{short}/docker.sock"
    places = ["--data-root", folder / "data", "--exec-root", short, "--pidfile", folder / "pid", "--host", url]
    engine = services.start([*inside, "dockerd", *places, "--cgroup-parent", f"/{short.name}"], folder / "log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", url)
        try:
            wait_for_engine(engine, folder / "log")
            yield engine
        finally:
            engine.terminate() if inside == OWN_MOUNTS else engine.kill()  # --fork takes no notice of a SIGTERM
            engine.wait()


def wait_for_engine(engine, log):
    until = time.monotonic() + 180
    while not engine_answers():
        if not engine.running or time.monotonic() > until:
            pytest.fail(f"dockerd does not come up: {log.read_text()[-2000:]}")
        time.sleep(0.2)


@pytest.fixture(scope="session")
def docker_client(docker_engine):
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def base_tag(docker_client):
    """The tag of an image with python3, pip and a shell, made once out of this machine's own Python."""
    try:
        docker_client.images.get(base_image.TAG)
    except ImageNotFound:
        base_image.build(docker_client)
    return base_image.TAG


@pytest.fixture
def local_here():
    """This machine, without an engine."""
    with LocalConnection("localhost") as connection:
        yield connection


@pytest.fixture
def local(docker_engine):
    with LocalConnection("localhost") as connection:
        yield connection


@pytest.fixture
def image_folder(tmp_path):
    """docker_images/testvendor/pytorch_foo with a Dockerfile of three steps."""
    folder = tmp_path / "docker_images" / "testvendor" / "pytorch_foo"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG GREETING=hello\nRUN echo ${GREETING} > /greeting\n"
    )
    return folder


@pytest.fixture
def image_plan(image_folder, base_tag, docker_client):
    """A plan for that folder; the images it leads to are removed afterwards."""
    yield ImagePlan("testvendor", "pytorch_foo", image_folder, build_args={"BASE_IMAGE": base_tag})
    for image in docker_client.images.list(filters={"label": "accelmark.vendor=testvendor"}):
        docker_client.images.remove(image.id, force=True)


@pytest.fixture
def case_plan(image_plan, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "one.txt").write_text("1")
    return CasePlan("toy", "pytorch_foo", "testvendor", str(data), str(data), image_plan)


@pytest.fixture
def run_plan(case_plan, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "hello.py").write_text("print('hello')")
    return RunPlan(
        run_id=RUN_ID,
        config_file=tmp_path / "host.yaml",
        checkout=code,
        code_path=str(code),
        results=tmp_path / "result",
        log_path="result",
        vendor="testvendor",
        runtime="docker",
        hosts=(HostTarget("localhost", 0, ssh=False),),
        cases=(case_plan,),
    )


@pytest.fixture
def container(local, run_plan, case_plan, base_tag, tmp_path):
    """A function that makes a ContainerPlace; its keywords change the RunPlan, `owner` and `environment` the place."""

    def made(owner=(0, 0), environment=None, case=case_plan, **changes):
        plan = replace(run_plan, **changes)
        log_dir = str(tmp_path / "logs")
        return ContainerPlace(local, plan, case, plan.hosts[0], base_tag, log_dir, Patience(local), environment or {}, owner)

    return made


@pytest.fixture
def containers_left(docker_client):
    """A function that tells the names of our test run's containers, in whatever state."""

    def names():
        found = docker_client.api.containers(all=True, filters={"label": f"accelmark.run={RUN_ID}"})
        return [name for each in found for name in each["Names"]]

    return names
