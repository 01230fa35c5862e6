"""Whose the files are that a run leaves: under sudo, the caller's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.connection.base import Connection

ID_SECONDS = 60.0
ROOT = (0, 0)


def owner_on(connection: Connection) -> tuple[int, int]:
    """The user and group that files on a host shall belong to: who called, also under sudo, or who logged in there."""
    if connection.is_local:
        return sudo_caller() or (os.getuid(), os.getgid())
    user, group = (connection.run(["id", flag], timeout=ID_SECONDS).check().stdout.strip() for flag in ("-u", "-g"))
    return int(user), int(group)


def sudo_caller() -> tuple[int, int] | None:
    """The user and group that called sudo; None where nobody did."""
    if os.getuid() != 0 or "SUDO_UID" not in os.environ:
        return None
    return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", os.environ["SUDO_UID"]))


def give_to_caller(places: Iterable[Path]) -> None:
    """Under sudo, let what root made in these places, and the places themselves, belong to who called.

    What belongs to anybody else stays his, links are not followed, and what is gone by now is not missed.
    """
    caller = sudo_caller()
    if caller is None:
        return
    for path in (path for place in places for path in _everything(place)):
        with suppress(FileNotFoundError):
            if path.lstat().st_uid == 0:
                os.chown(path, *caller, follow_symlinks=False)


def _everything(place: Path) -> Iterator[Path]:
    yield place
    for folder, folders, files in os.walk(place):
        yield from (Path(folder, name) for name in (*folders, *files))


def first_missing(folder: Path) -> Path:
    """The topmost of a folder and its parents that has still to be made; the folder itself where only that has."""
    missing = folder
    while not os.path.exists(missing.parent):  # noqa: PTH110 - Path.exists raises where a folder may not be searched
        missing = missing.parent
    return missing
