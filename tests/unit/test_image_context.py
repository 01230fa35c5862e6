import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools.errors import ConfigError
from utils.plan import ImagePlan
from utils.runtime.dockerfile import after_each_from, declared_args, image_of, variable_of
from utils.runtime.image_context import BUILD_FILE, build_context, check_plan, image_tag, install_script

DOCKERFILE = """# a comment
ARG BASE_IMAGE=python:3.11-slim \\
    VERSION="1.0 beta"
FROM ${BASE_IMAGE}
arg EMPTY
RUN echo ARG NOT_ONE
"""


NAMES = """
import io, os, pathlib, sys, tarfile
from utils.plan import ImagePlan
from utils.runtime.image_context import build_context, image_tag
plan = ImagePlan("cpu", "pytorch_2.13", pathlib.Path(sys.argv[1]))
image_tag(plan)
names = tarfile.open(fileobj=io.BytesIO(build_context(plan))).getnames()
print(sorted(map(os.fsencode, names)), end="")
"""


@pytest.fixture
def plan(tmp_path):
    folder = tmp_path / "cpu" / "pytorch_2.13"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "tool.sh").write_text("echo tool\n")
    return ImagePlan("cpu", "pytorch_2.13", folder)


def changed(plan, **values):
    return ImagePlan(**{**vars(plan), **values})


def test_the_tag_names_vendor_framework_and_content(plan):
    repository, _, version = image_tag(plan).partition(":")
    assert repository == "accelmark/cpu-pytorch_2.13"
    assert len(version) == 12


CHANGES = {
    "a file's bytes": lambda folder: (folder / "tool.sh").write_text("echo other\n"),
    "a file's name": lambda folder: (folder / "tool.sh").rename(folder / "other.sh"),
    "a file's right to run": lambda folder: (folder / "tool.sh").chmod(0o755),
    "a new file": lambda folder: (folder / "more.txt").touch(),
    "the Dockerfile": lambda folder: (folder / "Dockerfile").write_text(DOCKERFILE + "RUN true\n"),
    "an install script": lambda folder: (folder / "pytorch_2.13_install.sh").touch(),
    "where a link leads": lambda folder: (folder / "link").symlink_to("tool.sh"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_tag_changes_with(plan, change):
    before = image_tag(plan)
    change(plan.folder)
    assert image_tag(plan) != before


@pytest.mark.parametrize("language", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}], ids=["UTF-8", "ASCII"])
def test_files_and_their_names_may_be_of_any_encoding(plan, language):
    (plan.folder / ".dockerignore").write_bytes("# µ卡é\n卡\n".encode() + b"\xe9\n")
    (plan.folder / "Dockerfile").write_bytes(DOCKERFILE.encode() + b"# \xe9\n")
    folder = os.fsencode(plan.folder)
    for name in ("卡".encode(), b"\xe9", b"\xe8"):
        Path(os.fsdecode(folder + b"/" + name)).touch()
    (plan.folder / "link").symlink_to(os.fsdecode(b"\xe7"))
    environment = {**os.environ, **language}
    command = [sys.executable, "-c", NAMES, plan.folder]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    names = [BUILD_FILE.encode(), b".dockerignore", b"Dockerfile", b"link", b"tool.sh", b"\xe8"]
    assert done.stdout == repr(names).encode(), done.stderr


def test_the_tag_changes_with_a_build_argument(plan):
    assert image_tag(changed(plan, build_args={"VERSION": "2"})) != image_tag(plan)


def test_the_tag_stays_when_only_times_caches_and_ignored_files_change(plan):
    (plan.folder / ".dockerignore").write_text("*.log\n")
    before = image_tag(plan)
    (plan.folder / "__pycache__").mkdir()
    (plan.folder / "__pycache__" / "x.pyc").touch()
    (plan.folder / "build.log").touch()
    (plan.folder / "Dockerfile").touch()
    assert image_tag(plan) == before


def test_a_missing_dockerfile_is_an_error_that_lists_the_frameworks(plan):
    with pytest.raises(ConfigError, match=r"docker_images/cpu/pytorch_9: no Dockerfile; frameworks of cpu: pytorch_2.13"):
        check_plan(changed(plan, framework="pytorch_9", folder=plan.folder.parent / "pytorch_9"))


def test_a_build_argument_that_is_not_declared_is_an_error_with_the_nearest(plan):
    with pytest.raises(ConfigError, match="declares no ARG BASE_IMGE; did you mean 'BASE_IMAGE'"):
        check_plan(changed(plan, build_args={"BASE_IMGE": "x"}))


def test_a_proxy_needs_no_declaration(plan):
    check_plan(changed(plan, build_args={"https_proxy": "http://proxy:3128"}))


def test_pulling_needs_a_registry(plan):
    with pytest.raises(ConfigError, match="IMAGE_REGISTRY"):
        check_plan(changed(plan, source="pull"))


@pytest.mark.parametrize("name", ["pytorch_2.13_install.sh", "pytorch2.13_install.sh"])
def test_the_install_script_is_found_in_both_spellings(plan, name):
    (plan.folder / name).touch()
    assert install_script(plan) == name


def test_the_context_has_the_folder_and_the_dockerfile_with_the_install_step(plan):
    (plan.folder / "pytorch_2.13_install.sh").touch()
    with tarfile.open(fileobj=io.BytesIO(build_context(plan))) as archive:
        names = archive.getnames()
        text = archive.extractfile(BUILD_FILE).read().decode()
    assert {"Dockerfile", "tool.sh", "pytorch_2.13_install.sh", BUILD_FILE} == set(names)
    assert "RUN cd /workspace/docker_image && bash pytorch_2.13_install.sh\n" in text
    assert 'LABEL accelmark.kind="image" accelmark.vendor="cpu"' in text
    assert "FROM ${BASE_IMAGE}\nLABEL accelmark.kind=step\n" in text


def test_the_context_of_the_same_files_is_the_same(plan):
    before = build_context(plan)
    (plan.folder / "Dockerfile").touch()
    assert build_context(plan) == before


def test_declared_arguments_are_found_with_their_defaults():
    assert declared_args(DOCKERFILE) == {"BASE_IMAGE": "python:3.11-slim", "VERSION": "1.0 beta", "EMPTY": None}


def test_each_stage_gets_a_first_instruction_and_nothing_else_that_says_from():
    text = "# FROM no\nfrom \\\n  a \\\n# FROM no\n  AS b\nRUN echo \\\n  FROM no\nFROM c\n"
    expected = "# FROM no\nfrom \\\n  a \\\n# FROM no\n  AS b\nX\nRUN echo \\\n  FROM no\nFROM c\nX\n"
    assert after_each_from(text, "X") == expected


def test_the_base_image_is_resolved_from_arguments_and_defaults():
    assert image_of("FROM --platform=linux/amd64 ${BASE_IMAGE} AS base", DOCKERFILE, {}) == "python:3.11-slim"
    assert image_of("FROM $BASE_IMAGE", DOCKERFILE, {"BASE_IMAGE": "mine:1"}) == "mine:1"
    assert variable_of("FROM $BASE_IMAGE") == "BASE_IMAGE"
    assert variable_of("FROM debian:12") is None
