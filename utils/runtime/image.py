"""The image of a vendor's framework: its tag says what is in it, so that it is built once and again only after a change."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from tools.errors import ImageError
from utils.connection.base import Cancelled, Connection, EngineLost
from utils.connection.output import Lines
from utils.plan import ImagePlan
from utils.runtime.base import OnLine
from utils.runtime.clean import remove_steps
from utils.runtime.dockerfile import declared_args, image_of, variable_of
from utils.runtime.engine import build_headers, engine_errors, explanation, pull_headers
from utils.runtime.engine_stream import Silence, request
from utils.runtime.image_context import BUILD_FILE, build_context, dockerfile_text, image_tag, remote_tag, repository, shown
from utils.runtime.last_errors import LastErrors
from utils.runtime.masking import is_secret_name, masked, secrets_in

PIP_ARGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS")
"""pip's settings of this machine that a Dockerfile may ask for by ARG."""

IN_HISTORY = (
    "note: a build argument has a secret in it, which whoever gets this image can read (docker history): do not push it; "
    "an index without a password, or one that only this network reaches, leaves none"
)
PULL_SILENCE, BUILD_SILENCE = 600.0, 3600.0
"""Seconds without a word after which a pull, which tells of every part that comes, or a build's step is taken for dead."""

STEP_BEGINS = re.compile(r"Step \d+/\d+ : ")
ENGINES_OWN = (" ---> ", "Removing intermediate container")
"""How lines of a build's log begin that say nothing about a failure."""


def ensure_image(
    connection: Connection,
    plan: ImagePlan,
    pip_source: str | None = None,
    network: str | None = None,
    on_line: OnLine = lambda _: None,
    cancelled: Cancelled | None = None,
) -> str:
    """Return the tag of the plan's image, which the host has now: it had it, or it was pulled or built.

    `network` is the build's (`host`, …). Raises ConfigError, ImageError, HostError, and Interrupted after a cancel.
    """
    tag = image_tag(plan)
    with engine_errors(connection.host):
        client = connection.docker()
        if has_image(client, tag):
            return tag
        pulls = plan.source == "pull" or (plan.source == "auto" and plan.registry)
        if pulls and _pull(connection, plan, tag, on_line, cancelled):
            return tag
        if any(is_secret_name(name) or secrets_in(value) for name, value in _build_args(plan, pip_source).items()):
            on_line(IN_HISTORY)
        for line in remove_steps(connection):
            on_line(f"left by a build that its engine did not survive: {line}")
        _Build(connection, plan, tag, on_line).run(_build_args(plan, pip_source), network, cancelled)
    return tag


def has_image(client: DockerClient, tag: str) -> bool:
    """Whether an engine has an image of this name. Raises what the SDK raises."""
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _pull(connection: Connection, plan: ImagePlan, tag: str, on_line: OnLine, cancelled: Cancelled | None) -> bool:
    """Pull the image and give it its local name. False when it cannot be had and may be built instead."""
    remote = remote_tag(plan, tag)
    name, _, version = remote.rpartition(":")
    on_line(f"Pulling {remote}")
    try:
        pulled = {"fromImage": name, "tag": version}
        request(connection, "/images/create", pulled, pull_headers(name), partial(_progress, on_line), PULL_SILENCE, cancelled)
        connection.docker().api.tag(remote, repository(plan), version)
    except (APIError, ImageError) as error:
        said = explanation(error) if isinstance(error, APIError) else str(error)
        if plan.source == "auto":
            on_line(f"{remote} cannot be pulled ({said}); it is built here")
            return False
        remedy = "push an image of that name (docs/using.md tells how), or set IMAGE_SOURCE: build to build it here"
        raise ImageError(f"{connection.host}: {remote} cannot be pulled ({said}); {remedy}") from error
    return True


def _progress(on_line: OnLine, message: Mapping[str, Any]) -> None:
    if "error" in message:
        raise ImageError(masked(str(message["error"])))
    if "progressDetail" not in message or not message["progressDetail"]:
        on_line(masked(f"{message.get('id', '')} {message.get('status', '')}".strip()))


class _Build:
    """One build as it goes: passes its log on and remembers at which step it is."""

    def __init__(self, connection: Connection, plan: ImagePlan, tag: str, on_line: OnLine):
        self._connection, self._host, self._plan, self._tag, self._on_line = connection, connection.host, plan, tag, on_line
        self._step = ""
        self._errors = LastErrors()
        self._lines = Lines(self._line)

    def run(self, build_args: Mapping[str, str], network: str | None, cancelled: Cancelled | None) -> None:
        params = {
            "t": self._tag,
            "dockerfile": BUILD_FILE,
            "rm": True,
            "forcerm": True,
            "buildargs": json.dumps(dict(build_args)),
            **({"networkmode": network} if network else {}),
        }
        context = build_context(self._plan)
        try:
            request(self._connection, "/build", params, build_headers(), self._message, BUILD_SILENCE, cancelled, context)
        except APIError as error:
            raise ImageError(f"{self._host}: {shown(self._plan)}/Dockerfile: {explanation(error)}") from error
        except Silence as error:
            raise ImageError(f"{self._host}: docker build of {shown(self._plan)} hangs: {error} {self._step}".rstrip()) from error
        self._lines.finish()
        if not has_image(self._connection.docker(), self._tag):
            raise EngineLost(f"{self._host}: the Docker engine was lost while it built {shown(self._plan)}")

    def _message(self, message: Mapping[str, Any]) -> None:
        self._lines.feed(str(message.get("stream", "")).encode(errors="replace"))  # a piece may end within a line
        if "error" in message:
            self._lines.finish()
            self._on_line(masked(str(message["error"])))
            raise self._failure(message)

    def _line(self, line: str) -> None:
        line = masked(line)
        if STEP_BEGINS.match(line):
            self._step, self._errors = line, LastErrors()
        elif not line.startswith(ENGINES_OWN):
            self._errors.take(line)
        if line.strip():
            self._on_line(line)

    def _failure(self, message: Mapping[str, Any]) -> ImageError:
        number, _, instruction = self._step.removeprefix("Step ").partition(" : ")
        said = masked(" ".join(str(message["error"]).split()))
        if instruction.upper().startswith("FROM "):
            return self._base_failure(instruction, said)
        code = message.get("errorDetail", {}).get("code")
        outcome = f"exit {code}" if code else said
        head = f"{self._host}: docker build of {shown(self._plan)} failed at step {number} ({instruction}), {outcome}"
        return ImageError("\n  ".join([f"{head}; the log is in host.out.log", *self._errors.lines()]))

    def _base_failure(self, instruction: str, said: str) -> ImageError:
        image = image_of(instruction, dockerfile_text(self._plan), self._plan.build_args)
        variable = variable_of(instruction)
        remedy = f"set BUILD_ARGS: {{{variable}: …}}" if variable else f"change FROM in {shown(self._plan)}/Dockerfile"
        return ImageError(
            f"{self._host}: the base image {image} cannot be pulled ({said}); {remedy} to one that this host has or reaches"
        )


def _build_args(plan: ImagePlan, pip_source: str | None) -> dict[str, str]:
    """The settings of pip as far as the Dockerfile declares them, and all of BUILD_ARGS."""
    declared = declared_args(dockerfile_text(plan))
    settings = {name: os.environ[name] for name in PIP_ARGS if name in os.environ}
    if pip_source:
        settings["PIP_INDEX_URL"] = pip_source
    return {**{name: value for name, value in settings.items() if name in declared}, **plan.build_args}
