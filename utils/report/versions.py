"""What a report must name of the host's side so that its numbers can be had again: versions and this project's commit."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("pydantic", "paramiko", "docker", "loguru", "psutil", "rich", "jinja2", "plotly", "PyYAML", "numpy")


def host_versions(checkout: Path) -> dict[str, str]:
    """Return the versions of Python, the system, the host's packages (those there are) and the commit of `checkout`."""
    there = {name: version for name in PACKAGES if (version := _version(name)) is not None}
    found = {"python": platform.python_version(), "system": platform.platform(), **there}
    revision = commit(checkout)
    return found if revision is None else {"commit": revision, **found}


def commit(checkout: Path) -> str | None:
    """Return the commit that `checkout` is at, read from its files: git itself refuses another user's folder under sudo."""
    try:
        head = (checkout / ".git" / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head or None
        name = head[len("ref: ") :]
        loose = checkout / ".git" / name
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
        packed = (checkout / ".git" / "packed-refs").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
