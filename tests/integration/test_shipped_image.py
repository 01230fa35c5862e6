"""The images that ship, built for real from their Dockerfiles, and a case in each: this machine lends a base image only."""

import os
import platform
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import base_image
import pytest
from run_fixtures import CHECKOUT, MEASURED, copy_project, quick
from toy import add_case

CPU_ENGINES = sorted(path.stem for path in (CHECKOUT / "inference_engine/cpu").glob("[!_]*.py"))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SCENARIOS = ["SingleStream"] if platform.machine() == "x86_64" else []  # loadgen has no wheel for others
SHORT = {name: {"min_duration_ms": 200} for name in SCENARIOS}


def wheel_folder():
    """The folder of wheels that this machine's pip looks into, if it has one."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    configured = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    folder = os.environ.get("PIP_FIND_LINKS") or configured
    return folder if Path(folder).is_dir() else None


@contextmanager
def served(folder):
    """A folder on loopback, where a build can reach it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextmanager
def building(project, docker_client, base_tag, framework):
    """Keys of host.yaml with which a shipped image is built from this machine's base image; it is removed afterwards."""
    with served(wheel_folder() or project.folder) as wheels:
        arguments = {"BASE_IMAGE": base_tag, "PIP_FIND_LINKS": wheels, "PIP_TRUSTED_HOST": "127.0.0.1", "PIP_CERT": CERTIFICATES}
        options = f"--network host -e PIP_CERT={CERTIFICATES} -e OMP_NUM_THREADS=1"
        yield {"RUNTIME": "docker", "BUILD_ARGS": arguments, "ACCE_CONTAINER_OPT": options}
    for image in docker_client.images.list(filters={"label": f"accelmark.framework={framework}"}):
        for tag in image.tags:
            docker_client.images.remove(tag, force=True)


@pytest.fixture(scope="module")
def cpu_project(tmp_path_factory, docker_client):
    """A project whose cases run in the image that ships for CPUs; it is built once, from a base image with a compiler, as a
    Debian's apt-get would install one."""
    project = copy_project(tmp_path_factory.mktemp("shipped") / "project")
    base = base_image.build(docker_client, base_image.COMPILING_TAG, parts=[base_image.compiler])
    with building(project, docker_client, base, "pytorch_2.13") as keys:
        project.host_yaml(**keys)
        yield project


@pytest.mark.slow
@pytest.mark.parametrize("compiler", CPU_ENGINES)
def test_digits_runs_in_the_cpu_image_on_every_engine_of_its_vendor(cpu_project, compiler):
    finished = cpu_project.run("run", *quick(compiler=compiler, warmup_limit=5), timeout=550)
    assert finished.status == 0, finished.output
    case = finished.case()
    assert case["status"] in MEASURED
    assert case["metrics"]["accuracy_inference"] == pytest.approx(0.98, abs=0.02)
    assert (case["compiler"], case["engine"]["engine"].split()[0].rstrip(",")) == (compiler, compiler)
    assert "cpu" in case["engine"]["device"].lower()


@pytest.mark.slow
def test_digits_runs_in_the_cpu_image_in_int8_and_by_loadgen(cpu_project):
    finished = cpu_project.run("run", *quick(precision="int8", scenarios=SCENARIOS, loadgen=SHORT), timeout=550)
    assert finished.status == 0, finished.output
    assert finished.case()["status"] in MEASURED
    assert finished.case()["metrics"]["accuracy_inference"] == pytest.approx(0.98, abs=0.02)
    assert finished.case()["engine"]["precision"] == "int8"
    assert [(one["name"], one["value"] > 0) for one in finished.case()["scenarios"]] == [(name, True) for name in SCENARIOS]


@pytest.mark.slow
def test_the_nvidia_image_brings_the_guest_s_packages(project, docker_client, base_tag):
    cases = add_case(project, "toy", vendor="nvidia", framework="pytorch_2.5")
    with building(project, docker_client, base_tag, "pytorch_2.5") as keys:
        project.host_yaml(**keys, VENDOR="nvidia", CASES=cases)
        finished = project.run("run", timeout=1200)
    assert finished.status == 0, finished.output
    assert finished.case("toy")["status"] in MEASURED
    printed = (project.results / "latest/toy:pytorch_2.5/127.0.0.1_noderank0/stdout_err.out.log").read_text()
    assert "Collecting" not in printed
    log = (project.results / "latest/host.out.log").read_text()
    assert re.search("Successfully installed .*PyYAML.* loguru.* numpy.* onnx", log, re.IGNORECASE)
