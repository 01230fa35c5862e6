"""Projects of a user who is not root and need not have a name: made by root, who then runs commands as that user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import services
from run_fixtures import Project, copy_project


def as_user(user: int, group: int | None = None, groups: str = "--clear-groups") -> tuple[str, ...]:
    """A command that runs another as the user, whose group has the same number where none is given.

    The tests' Python may lie in root's home, so the user may read everything; to write, this capability gives no right.
    """
    ids = (f"--reuid={user}", f"--regid={user if group is None else group}", groups)
    return ("setpriv", *ids, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def give(folder: Path, user: int, group: int | None = None) -> None:
    """Make the user the owner of a folder and of all that lies in it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user if group is None else group, follow_symlinks=False)


@contextmanager
def project_elsewhere(name: str) -> Iterator[Project]:
    """A project in a folder that others may be given; pytest's own are closed to them."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a command as another user")
    folder = Path(tempfile.mkdtemp(prefix=f"accelmark-{name}-"))
    services.afterwards("rm", "-rf", folder)
    yield copy_project(folder / "project")
    shutil.rmtree(folder)
