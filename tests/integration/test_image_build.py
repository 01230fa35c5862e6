"""Images against a real engine: built once, again after a change, and every way in which that fails."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.errors import ConfigError, ImageError, Interrupted
from utils.runtime.image import ensure_image
from utils.runtime.image_context import image_tag

pytestmark = pytest.mark.docker


def image_ids(docker_client):
    return {image.id for image in docker_client.images.list(filters={"label": "accelmark.vendor=testvendor"})}


def add_step(folder, *steps):
    with (folder / "Dockerfile").open("a") as file:
        file.writelines(f"{step}\n" for step in steps)


def printed(docker_client, tag, *argv):
    return docker_client.containers.run(tag, argv, remove=True).decode()


def test_an_image_is_built_once_and_its_log_streams(local, image_plan, docker_client):
    lines = []
    tag = ensure_image(local, image_plan, on_line=lines.append)
    again = []
    assert ensure_image(local, image_plan, on_line=again.append) == tag
    assert any(line.startswith("Step 5/") for line in lines)
    assert again == []
    assert docker_client.images.get(tag).labels["accelmark.kind"] == "image"
    assert len(image_ids(docker_client)) == 1


def test_a_changed_file_or_argument_is_another_image(local, image_plan, docker_client):
    first = ensure_image(local, image_plan)
    greeted = replace(image_plan, build_args={**image_plan.build_args, "GREETING": "servus"})
    second = ensure_image(local, greeted)
    assert first != second
    assert printed(docker_client, second, "cat", "/greeting") == "servus\n"


def test_pips_index_reaches_a_dockerfile_that_declares_it(local, image_plan, docker_client):
    add_step(image_plan.folder, "ARG PIP_INDEX_URL", "RUN echo ${PIP_INDEX_URL} > /index")
    tag = ensure_image(local, image_plan, pip_source="https://mirror.example/simple")
    assert printed(docker_client, tag, "cat", "/index") == "https://mirror.example/simple\n"


@contextmanager
def anything_registry():
    """A registry's address, and the paths it was asked for: it claims to have whatever one wants."""
    asked = []
    with registry(lambda path: asked.append(path) or (200, b"")) as address:
        yield address, asked


def refusing_registry(words):
    """A registry that lets nobody have anything, and says why."""
    refusal = json.dumps({"errors": [{"code": "DENIED", "message": words}]}).encode()
    return registry(lambda path: (200, b"") if path == "/v2/" else (403, refusal))


@contextmanager
def registry(answer):
    """A registry's address; `answer` gives status and body for a path."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self):
            self.send_response(405)  # then it is asked by GET, whose body is read
            self.end_headers()

        def log_message(self, *line):
            """Nobody wants to read it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"localhost:{server.server_address[1]}"
        server.shutdown()


def test_image_source_build_asks_no_registry(local, image_plan):
    lines = []
    with anything_registry() as (address, asked):
        ensure_image(local, replace(image_plan, source="build", registry=address), on_line=lines.append)
    assert any(line.startswith("Step 5/") for line in lines)
    assert asked == []


@pytest.mark.parametrize("name", ["pytorch_foo_install.sh", "pytorchfoo_install.sh"])
def test_the_install_script_runs_last_in_its_folder(local, image_plan, docker_client, name):
    (image_plan.folder / name).write_text("cat ./packages.txt > /installed; pwd >> /installed\n")
    (image_plan.folder / "packages.txt").write_text("one\n")
    tag = ensure_image(local, image_plan)
    assert printed(docker_client, tag, "cat", "/installed") == "one\n/workspace/docker_image\n"


def test_a_step_that_fails_is_named_and_leaves_no_container(local, image_plan, docker_client):
    add_step(image_plan.folder, "RUN echo so far && exit 3", "RUN echo never")
    lines = []
    with pytest.raises(ImageError) as raised:
        ensure_image(local, image_plan, on_line=lines.append)
    assert str(raised.value) == (
        "localhost: docker build of docker_images/testvendor/pytorch_foo failed at step 6/8 (RUN echo so far && exit 3), exit 3; "
        "the log is in host.out.log\n  so far"
    )
    assert "so far" in lines
    assert docker_client.api.containers(all=True, filters={"ancestor": image_plan.build_args["BASE_IMAGE"]}) == []


def test_pips_last_errors_are_shown_without_what_it_passed_over_and_without_colours(local, image_plan):
    versions = "".join(f'<a href="toy-{number}-py3-none-any.whl" data-requires-python="&gt;=4">x</a>\n' for number in range(99))
    (image_plan.folder / "links.html").write_text(versions)
    add_step(image_plan.folder, "COPY links.html /", "RUN python3 -m pip install --no-index --find-links /links.html toy==9.9")
    lines = []
    with pytest.raises(ImageError) as raised:
        ensure_image(local, image_plan, on_line=lines.append)
    head, *shown = str(raised.value).splitlines()
    assert "failed at step 7/8 (RUN python3 -m pip install" in head
    assert shown[-1] == "  ERROR: No matching distribution found for toy==9.9"
    assert "Could not find a version that satisfies the requirement toy==9.9" in shown[-2]
    assert max(map(len, shown)) < 400
    assert not {"\x1b", "\r"} & set("".join([str(raised.value), *lines]))
    assert "" not in map(str.strip, lines)


def test_only_the_failed_step_s_lines_are_shown_and_nothing_a_terminal_obeys(local, image_plan):
    link = r"\033]8;;https://evil.example\033\\a link\033]8;;\033\\"
    add_step(image_plan.folder, "RUN echo error: of yesterday", rf"RUN printf '10%%\r100%%\n\033[31mred {link}\n'; exit 1")
    lines = []
    with pytest.raises(ImageError) as raised:
        ensure_image(local, image_plan, on_line=lines.append)
    assert str(raised.value).splitlines()[1:] == ["  100%", "  red a link"]
    assert "\x1b" not in "".join(lines)


def test_a_registry_s_words_are_plain(local, image_plan):
    with refusing_registry("\x1b[31mno\x1b[0m, not\x9b2J you") as address, pytest.raises(ImageError) as raised:
        ensure_image(local, replace(image_plan, source="pull", registry=address))
    assert "no, not you" in str(raised.value)


def test_a_file_that_is_not_there_is_named_with_its_step(local, image_plan):
    add_step(image_plan.folder, "COPY nothing.txt /")
    with pytest.raises(ImageError, match=r"failed at step 6/7 \(COPY nothing.txt /\), .*nothing.txt"):
        ensure_image(local, image_plan)


def test_a_dockerfile_that_is_none_is_explained(local, image_plan):
    add_step(image_plan.folder, "RUNN true")
    with pytest.raises(ImageError, match=r"docker_images/testvendor/pytorch_foo/Dockerfile: .*RUNN"):
        ensure_image(local, image_plan)


def test_a_base_image_that_cannot_be_pulled_is_named_with_the_remedy(local, image_plan):
    unreachable = replace(image_plan, build_args={"BASE_IMAGE": "127.0.0.1:1/none:1"})
    with pytest.raises(ImageError, match=r"base image 127.0.0.1:1/none:1 cannot be pulled .*BUILD_ARGS: \{BASE_IMAGE: …\}"):
        ensure_image(local, unreachable)


def test_pull_says_why_it_cannot_and_auto_builds_instead(local, image_plan):
    registry = "user:secret@127.0.0.1:1"
    with pytest.raises(ImageError, match="cannot be pulled") as raised:
        ensure_image(local, replace(image_plan, source="pull", registry="127.0.0.1:1"))
    assert "IMAGE_SOURCE: build" in str(raised.value)
    assert registry not in str(raised.value)
    assert ensure_image(local, replace(image_plan, registry="127.0.0.1:1")) == image_tag(image_plan)


def test_a_cancel_ends_the_build_and_leaves_neither_image_nor_container(local, image_plan, docker_client):
    add_step(image_plan.folder, "RUN sleep 60")
    with pytest.raises(Interrupted):
        ensure_image(local, image_plan, cancelled=lambda end: threading.Timer(2.5, end).start())
    assert image_ids(docker_client) == set()


def test_an_undeclared_argument_is_refused_before_anything_is_built(local, image_plan):
    with pytest.raises(ConfigError, match="did you mean 'BASE_IMAGE'"):
        ensure_image(local, replace(image_plan, build_args={"BASE_IMGE": "x"}))
