"""Images out of a real registry: pulled where they are there, refused or built where they are not."""

import base64
import json
import os
import signal
from dataclasses import replace

import pytest
from registry_fixtures import PASSWORD, USER, running_registry
from test_interrupt import containers, end, eventually, wait_for
from toy import add_case

from tools.errors import ConfigError, ImageError
from utils.plan import ImagePlan
from utils.runtime.clean import clean
from utils.runtime.image import ensure_image
from utils.runtime.image_context import image_tag

pytestmark = pytest.mark.docker


@pytest.fixture
def tiny_plan(image_plan):
    """A plan whose image is a few bytes: only its way into a registry and back counts."""
    (image_plan.folder / "Dockerfile").write_text("FROM scratch\nCOPY greeting /greeting\n")
    (image_plan.folder / "greeting").write_text("hello\n")
    return replace(image_plan, build_args={})


def in_registry(registry, local, plan):
    """Build the plan's image, have the registry take it, and return its tag."""
    tag = ensure_image(local, plan)
    registry.take(tag)
    return tag


@pytest.mark.parametrize("source", ["pull", "auto"])
def test_an_image_that_the_registry_has_is_pulled_and_not_built(local, tiny_plan, registry, docker_client, source):
    tag = in_registry(registry, local, tiny_plan)
    plan, lines = replace(tiny_plan, source=source, registry=f"http://{registry.address}/"), []
    assert ensure_image(local, plan, on_line=lines.append) == tag
    assert lines[0] == f"Pulling {registry.address}/{tag}"
    assert not any(line.startswith("Step ") for line in lines)
    assert docker_client.images.get(tag).labels["accelmark.kind"] == "image"
    again = []
    assert (ensure_image(local, plan, on_line=again.append), again) == (tag, [])


def test_an_image_that_was_pulled_is_cleaned_under_both_its_names(local, tiny_plan, registry, docker_client):
    tag = in_registry(registry, local, tiny_plan)
    ensure_image(local, replace(tiny_plan, source="pull", registry=registry.address))
    assert sorted(docker_client.images.get(tag).tags) == sorted([tag, f"{registry.address}/{tag}"])
    assert len(clean(local, images=True, run_id="20990101000000", vendor="testvendor")) == 1
    assert docker_client.images.list(filters={"label": "accelmark.vendor=testvendor"}) == []


def test_an_image_that_the_registry_lacks_is_named_with_the_remedy(local, tiny_plan, registry):
    (tiny_plan.folder / "greeting").write_text("never pushed\n")
    plan = replace(tiny_plan, source="pull", registry=registry.address)
    with pytest.raises(ImageError) as raised:
        ensure_image(local, plan)
    assert str(raised.value).startswith(f"localhost: {registry.address}/{image_tag(plan)} cannot be pulled (manifest ")
    assert "unknown" in str(raised.value)
    assert "push an image of that name" in str(raised.value)


def test_an_image_that_the_registry_lacks_is_built_under_auto_and_the_log_says_why(local, tiny_plan, registry):
    (tiny_plan.folder / "greeting").write_text("never pushed either\n")
    lines = []
    tag = ensure_image(local, replace(tiny_plan, registry=registry.address), on_line=lines.append)
    [why] = [line for line in lines if "cannot be pulled (manifest " in line]
    assert why.startswith(f"{registry.address}/{tag}")
    assert lines.index(why) < next(number for number, line in enumerate(lines) if line.startswith("Step 1/"))


def test_a_registry_with_a_login_is_pulled_from_with_what_docker_login_left(
    local, tiny_plan, private_registry, tmp_path, monkeypatch
):
    tag = in_registry(private_registry, local, tiny_plan)
    plan = replace(tiny_plan, source="pull", registry=private_registry.address)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(ImageError, match="no basic auth credentials"):
        ensure_image(local, plan)
    login = {private_registry.address: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": login}))
    assert ensure_image(local, plan) == tag


def test_a_user_in_the_registry_s_address_is_refused(local, tiny_plan):
    with pytest.raises(ConfigError, match="'docker login'") as raised:
        ensure_image(local, replace(tiny_plan, source="pull", registry="me:secret@localhost:5000"))
    assert "secret" not in str(raised.value)


@pytest.fixture
def pulling(container_project, registry, docker_client):
    """Writes host.yaml for one toy case in a container whose image comes from the registry."""

    def write(source, address=registry.address):
        cases = add_case(container_project, "toy", framework="pytorch_here")
        container_project.host_yaml(**container_project.docker, IMAGE_SOURCE=source, IMAGE_REGISTRY=address, CASES=cases)

    return write


@pytest.mark.parametrize("source", ["pull", "auto"])
def test_a_case_runs_in_an_image_that_was_pulled(container_project, pulling, registry, docker_client, source):
    pulling("build")
    assert container_project.run().status == 0
    [image] = docker_client.images.list(filters={"label": "accelmark.framework=pytorch_here"})
    [tag] = image.tags
    registry.take(tag)
    pulling(source)
    assert f"image {tag} is not there yet: it will be pulled from {registry.address}" in container_project.run("check").output
    finished = container_project.run()
    assert finished.status == 0, finished.output
    assert f"image: Pulling {registry.address}/{tag}" in finished.output
    assert "image: Step" not in finished.output
    assert finished.case("toy")["metrics"]["inference_core"] > 0
    assert docker_client.images.get(tag).id == image.id


def test_a_case_whose_image_is_not_in_the_registry_fails_for_its_image(container_project, pulling, registry, base_tag):
    container_project.write("docker_images/cpu/pytorch_here/never_pushed", "")
    pulling("pull")
    finished = container_project.run()
    [reason] = finished.case("toy")["reasons"]
    assert (finished.status, reason["kind"]) == (1, "IMAGE"), finished.output
    assert f"{registry.address}/accelmark/cpu-pytorch_here:" in reason["message"]
    assert "Traceback" not in finished.output


@pytest.fixture
def big_pull(container_project, pulling, local, docker_client, tmp_path):
    """A registry of its own, which has the project's image: 64 MB, in which no case could run."""
    folder = container_project.folder / "docker_images/cpu/pytorch_here"
    (folder / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM scratch\nCOPY noise /noise\n")
    (folder / "noise").write_bytes(os.urandom(64_000_000))
    with running_registry(tmp_path, docker_client) as registry:
        in_registry(registry, local, ImagePlan("cpu", "pytorch_here", folder, build_args=container_project.docker["BUILD_ARGS"]))
        yield registry


@pytest.mark.parametrize(
    ("source", "number", "kind", "said"),
    [
        ("pull", signal.SIGKILL, "IMAGE", "connection refused"),
        ("pull", signal.SIGSTOP, "IMAGE", "nothing was heard of it for 8 s"),
        ("auto", signal.SIGSTOP, "CRASH", "(nothing was heard of it for 8 s); it is built here"),
    ],
)
def test_a_registry_that_goes_in_the_middle_of_a_pull(
    container_project, pulling, big_pull, docker_client, source, number, kind, said
):
    image = container_project.folder / "utils/runtime/image.py"
    image.write_text(image.read_text().replace("PULL_SILENCE, BUILD_SILENCE = 600.0", "PULL_SILENCE, BUILD_SILENCE = 8.0"))
    pulling(source, big_pull.address)
    run = container_project.start()
    wait_for(run, "image: Pulling")
    log = max(container_project.results.glob("run*")) / "host.out.log"
    eventually(lambda: "Pulling fs layer" in log.read_text())
    big_pull.process.send_signal(number)
    finished = container_project.finish(run)
    [reason] = finished.case("toy")["reasons"]
    assert (finished.status, reason["kind"]) == (1, kind), finished.output
    assert said in log.read_text()
    assert kind != "IMAGE" or "IMAGE_SOURCE: build" in reason["message"]
    assert containers(docker_client, finished) == []


def test_ctrl_c_ends_a_pull_that_does_not_move(container_project, pulling, big_pull, docker_client):
    pulling("pull", big_pull.address)
    big_pull.process.send_signal(signal.SIGSTOP)
    run = container_project.start()
    wait_for(run, "image: Pulling")
    finished, seconds = end(container_project, run, signal.SIGINT)
    assert (finished.status, seconds < 100) == (130, True), finished.output
