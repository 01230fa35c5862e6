"""The whole way: host.yaml, SSH, an image, a container, the guest, the monitors, one merged report."""

import sys
from pathlib import Path

import pytest
import yaml
from run_fixtures import MEASURED, quick
from test_interrupt import containers

VENV = Path(sys.prefix)


@pytest.fixture
def docker_project(project, sshd_with_engine, base_tag, docker_client):
    """A project whose host is reached by SSH and whose image takes torch from this machine's virtual environment."""
    project.write("docker_images/cpu/pytorch_here/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo built > /built\n")
    host = sshd_with_engine
    project.remote = project.folder.parent / "on host"
    project.host_yaml(
        RUNTIME="docker",
        CONNECTION="ssh",
        SSH_PORT=host.port,
        SSH_KEY=str(host.user_key),
        SSH_KNOWN_HOSTS=str(host.known_hosts),
        FLAGPERF_PATH=str(project.remote),
        CASES={"digits:pytorch_here": "embedded"},
        BUILD_ARGS={"BASE_IMAGE": base_tag},
        ACCE_CONTAINER_OPT=f"-v {VENV}:{VENV}:ro -e PATH={VENV}/bin:/usr/bin:/bin -e OMP_NUM_THREADS=1",
    )
    yield project
    for image in docker_client.images.list(filters={"label": "accelmark.framework=pytorch_here"}):
        docker_client.images.remove(image.id, force=True)


def test_digits_over_ssh_in_a_container_gives_what_it_gives_as_a_process(docker_project, docker_client):
    inside = docker_project.run("run", *quick())
    assert inside.status == 0, inside.output
    measured = inside.case()
    assert measured["status"] in MEASURED
    assert [step["outcome"] for step in measured["steps"]] == ["ok"] * 7
    assert measured["environment"]["container"]
    assert {monitor["monitor"] for monitor in measured["monitors"] if monitor["readings"]} == {"cpu", "sys"}
    assert containers(docker_client, inside) == []

    docker_project.host_yaml()
    outside = docker_project.run("run", *quick()).case()
    for key in ("accuracy_validation", "accuracy_inference", "flops_per_item"):
        assert measured["metrics"][key] == pytest.approx(outside["metrics"][key]), key
    assert outside["metrics"]["accuracy_inference"] == pytest.approx(0.98, abs=0.02)


def test_files_come_back_and_nothing_stays_on_the_host(docker_project):
    finished = docker_project.run("run", *quick())
    folder = docker_project.results / "latest" / "digits:pytorch_here" / "127.0.0.1_noderank0"
    names = {path.name for path in folder.iterdir()}
    logs = {"container.out.log", "stdout_err.out.log", "cpu_monitor.log", "sys_monitor.log"}
    assert {"result.json", "latencies.npz", *logs} <= names, finished.output
    assert (docker_project.remote / "run_inference.py").exists()
    assert list((docker_project.remote / "result").iterdir()) == []


def test_an_unchanged_image_is_not_built_again_and_check_says_so(docker_project, docker_client):
    assert "will be built" in docker_project.run("check").output
    assert docker_project.run("run", *quick(compiler=None)).status == 0
    images = docker_client.images.list(filters={"label": "accelmark.framework=pytorch_here"})
    checked = docker_project.run("check")
    assert checked.status == 0
    assert f"image {images[0].tags[0]} is there" in checked.output
    assert "Step 1/" not in docker_project.run("run", *quick(compiler=None)).output
    assert docker_client.images.list(filters={"label": "accelmark.framework=pytorch_here"})[0].id == images[0].id


def test_the_guest_gets_the_cluster_and_the_visible_devices(docker_project):
    config = yaml.safe_load((docker_project.folder / "configs/host.yaml").read_text())
    docker_project.host_yaml(**config, MASTER_PORT="29512", ACCE_VISIBLE_DEVICE_ENV_NAME="MY_VISIBLE_DEVICES")
    docker_project.environment["MY_VISIBLE_DEVICES"] = "1,3"
    engine = docker_project.folder / "inference_engine/cpu/onnxruntime.py"
    spy = "import os\nopen(os.environ['SPY_FILE'], 'w').write(repr(dict(os.environ)))\n"
    engine.write_text(
        engine.read_text().replace("from __future__ import annotations\n", "from __future__ import annotations\n" + spy)
    )
    log = docker_project.folder.parent / "seen"
    log.mkdir()
    options = config["ACCE_CONTAINER_OPT"] + f" -v {log}:{log} -e SPY_FILE={log}/environment"
    finished = docker_project.run("run", *quick(compiler="onnxruntime"), "--set", f"ACCE_CONTAINER_OPT={options}")
    seen = eval((log / "environment").read_text())
    assert finished.status == 0, finished.output
    assert {name: seen[name] for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "MY_VISIBLE_DEVICES")} == {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29512",
        "RANK": "0",
        "WORLD_SIZE": "1",
        "MY_VISIBLE_DEVICES": "1,3",
    }
