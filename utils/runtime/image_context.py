"""What goes into an image: the vendor's folder as a build context, and the tag that is a hash of it. Asks no engine."""

from __future__ import annotations

import difflib
import io
import json
import os
import shlex
import tarfile
from hashlib import sha256
from pathlib import Path

from docker.utils import exclude_paths

from tools.errors import ConfigError
from utils.plan import ImagePlan
from utils.runtime.dockerfile import PREDEFINED_ARGS, after_each_from, declared_args
from utils.runtime.labels import KIND, STEP, image_labels

BUILD_FILE = ".accelmark.Dockerfile"
INSTALL_FOLDER = "/workspace/docker_image"
"""Where an install script finds its folder, as in FlagPerf."""


def image_tag(plan: ImagePlan) -> str:
    """Return `accelmark/<vendor>-<framework>:<12 hex>`, a hash of the folder's files, their modes and the build arguments.

    Raises ConfigError when there is no Dockerfile, or when a build argument is not declared in it.
    """
    check_plan(plan)
    digest = sha256(json.dumps([plan.vendor, plan.framework, sorted(plan.build_args.items())]).encode())
    for name in _context_names(plan.folder):
        path = plan.folder / name
        digest.update(os.fsencode(f"{name}\0{path.is_symlink()}\0{os.access(path, os.X_OK)}\0"))
        digest.update(sha256(_content(path)).digest())
    return f"{repository(plan)}:{digest.hexdigest()[:12]}"


def check_plan(plan: ImagePlan) -> None:
    """Raises ConfigError when the plan cannot become an image, naming what there is instead."""
    if not (plan.folder / "Dockerfile").is_file():
        known = sorted(file.parent.name for file in plan.folder.parent.glob("*/Dockerfile"))
        raise ConfigError(f"{shown(plan)}: no Dockerfile; frameworks of {plan.vendor}: {', '.join(known) or 'none'}")
    if plan.source == "pull" and not plan.registry:
        raise ConfigError("IMAGE_SOURCE: pull needs IMAGE_REGISTRY")
    if plan.registry and "@" in plan.registry:
        raise ConfigError("IMAGE_REGISTRY has a user in it; write host[:port][/path], and log in with 'docker login'")
    declared = declared_args(dockerfile_text(plan))
    for name in plan.build_args:
        if name not in declared and name not in PREDEFINED_ARGS:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"declared are {', '.join(declared) or 'none'}"
            raise ConfigError(f"BUILD_ARGS: {shown(plan)}/Dockerfile declares no ARG {name}; {hint}")


def remote_tag(plan: ImagePlan, tag: str) -> str:
    """The image's tag in IMAGE_REGISTRY, `registry.example.org/team/accelmark/cpu-pytorch_2.13:0123456789ab`."""
    registry = str(plan.registry).removeprefix("https://").removeprefix("http://").rstrip("/")
    return f"{registry}/{tag}"


def build_context(plan: ImagePlan) -> bytes:
    """The folder as a tar archive that is the same for the same files, so that the engine's cache holds."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in _context_names(plan.folder):
            archive.add(plan.folder / name, arcname=name, recursive=False, filter=_plain)
        text = _extended_dockerfile(plan).encode("utf-8", "surrogateescape")
        member = tarfile.TarInfo(BUILD_FILE)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    return member


def _context_names(folder: Path) -> list[str]:
    """The folder's files and folders, without what .dockerignore and Python's caches take out."""
    ignore = folder / ".dockerignore"
    patterns = [line.strip() for line in os.fsdecode(ignore.read_bytes()).splitlines()] if ignore.is_file() else []
    return sorted(name for name in exclude_paths(str(folder), [*patterns, "**/__pycache__"], dockerfile="Dockerfile") if name)


def _extended_dockerfile(plan: ImagePlan) -> str:
    """The Dockerfile with the framework's install script, where there is one, and our labels as its last steps.

    Until then a label marks the containers of the steps: an engine that is killed in one leaves it. Our labels stand in one
    instruction: given beside the Dockerfile, the engine would count a step for each.
    """
    script = install_script(plan)
    steps = [after_each_from(dockerfile_text(plan), f"LABEL {KIND}={STEP}").rstrip("\n")]
    if script is not None:
        steps += [f"COPY . {INSTALL_FOLDER}", f"RUN cd {INSTALL_FOLDER} && bash {shlex.quote(script)}"]
    labels = image_labels(plan.vendor, plan.framework)
    steps.append("LABEL " + " ".join(f"{name}={json.dumps(value)}" for name, value in labels.items()))
    return "\n".join(steps) + "\n"


def install_script(plan: ImagePlan) -> str | None:
    """The name of `<framework>_install.sh`; FlagPerf's own folders spell pytorch_1.13's `pytorch1.13_install.sh`."""
    names = (f"{plan.framework}_install.sh", f"{plan.framework.replace('_', '', 1)}_install.sh")
    return next((name for name in names if (plan.folder / name).is_file()), None)


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return os.fsencode(path.readlink())
    return path.read_bytes() if path.is_file() else b""


def dockerfile_text(plan: ImagePlan) -> str:
    """The Dockerfile as it lies in the folder; bytes that are no UTF-8, as of a comment in Latin-1, stay what they are."""
    return (plan.folder / "Dockerfile").read_text(encoding="utf-8", errors="surrogateescape")


def shown(plan: ImagePlan) -> str:
    """The folder as messages name it."""
    return f"docker_images/{plan.vendor}/{plan.framework}"


def repository(plan: ImagePlan) -> str:
    """The image's name without its tag."""
    return f"accelmark/{plan.vendor}-{plan.framework}".lower()
