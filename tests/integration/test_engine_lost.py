"""What happens when a host's Docker engine dies under a running command: with an engine that only this test uses."""

import time
from contextlib import closing
from dataclasses import replace

import base_image
import docker
import pytest
from docker_fixtures import private_engine

from tools.errors import HostError
from utils.connection.local import LocalConnection
from utils.connection.patience import Patience
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan
from utils.runtime.clean import clean
from utils.runtime.container import ContainerPlace

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(tmp_path):
    with private_engine(tmp_path) as process:
        with closing(docker.from_env()) as client:
            base_image.build(client)
        yield process


@pytest.fixture
def place(engine, tmp_path):
    host = HostTarget("lonely", 0, ssh=False)
    case = CasePlan("toy", "pytorch_foo", "cpu", "synthetic", None, ImagePlan("cpu", "pytorch_foo", tmp_path))
    paths = {"config_file": tmp_path, "checkout": tmp_path, "results": tmp_path, "log_path": "result"}
    plan = RunPlan("1", code_path=str(tmp_path), vendor="cpu", runtime="docker", hosts=(host,), cases=(case,), **paths)
    with LocalConnection("lonely") as connection:
        plan = replace(plan, container_options="--network none")
        yield ContainerPlace(
            connection, plan, case, host, base_image.TAG, str(tmp_path / "logs"), patience=Patience(connection, 1)
        )


def test_an_engine_that_dies_under_a_command_is_a_lost_host(engine, place):
    begun = time.monotonic()
    with pytest.raises(HostError, match="lonely: the Docker engine does not answer"), place:
        place.run(["sh", "-c", "echo up; sleep 600"], timeout=600, on_line=lambda _: engine.kill())
    assert time.monotonic() - begun < 100


def test_an_engine_that_is_away_cannot_be_cleaned(engine, place):
    place.connection.docker()
    engine.kill()
    engine.wait()
    with pytest.raises(HostError):
        clean(place.connection, images=True)
