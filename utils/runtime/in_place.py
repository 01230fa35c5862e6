"""Runs in the guest's Python, before the guest: what is missing there, and the vendor's csrc. Standard library only, Python 3.8.

Usage: in_place.py missing [REQUIREMENTS FILE] | in_place.py install FOLDER [PIP OPTION ...]
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import List, Optional

GUEST_PACKAGES = {"yaml": "PyYAML", "loguru": "loguru", "numpy": "numpy"}
MISSING, UNSATISFIED = "::missing ", "::unsatisfied "


def missing_packages() -> List[str]:
    """The packages of the guest's own that cannot be imported here."""
    return [name for module, name in GUEST_PACKAGES.items() if importlib.util.find_spec(module) is None]


def satisfied(line: str) -> bool:
    """Whether one line of a requirements file is met. False also where only pip can tell (options, addresses, extras)."""
    try:
        from pip._vendor.packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415
    except ImportError:
        return False
    try:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            return True
        if requirement.url or requirement.extras:
            return False
        return bool(requirement.specifier.contains(version(requirement.name), prereleases=True))
    except (InvalidRequirement, PackageNotFoundError):
        return False


def requirement_lines(text: str) -> List[str]:
    """The lines of a requirements file that say something."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def report_missing(requirements: Optional[str]) -> None:
    """Print what has to be installed, one line each."""
    for name in missing_packages():
        print(MISSING + name)  # noqa: T201
    for line in requirement_lines(Path(requirements).read_text(encoding="utf-8")) if requirements else []:
        if not satisfied(line):
            print(UNSATISFIED + line)  # noqa: T201


def install_folder(folder: str, pip_options: List[str]) -> int:
    """Install a package from a copy of its folder, since a build writes beside its sources; return pip's exit status.

    Without a pyproject.toml the build sees what is installed (torch's headers), as `setup.py install` did.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "csrc"
        shutil.copytree(folder, str(copy))
        isolation = [] if (copy / "pyproject.toml").is_file() else ["--no-build-isolation"]
        return subprocess.call([sys.executable, "-m", "pip", "install", *isolation, *pip_options, str(copy)])


if __name__ == "__main__":
    if sys.argv[1] == "missing":
        report_missing(sys.argv[2] if len(sys.argv) > 2 else None)
    else:
        sys.exit(install_folder(sys.argv[2], sys.argv[3:]))
