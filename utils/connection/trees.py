"""Folders as tar streams: how they are packed and unpacked here, and the small programs that do it on a host."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

BATCH_BYTES = 32 * 1024 * 1024

UNPACK = """
import os, sys, tarfile
os.makedirs(sys.argv[1], exist_ok=True)
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    archive.extractall(sys.argv[1], **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
"""
"""`python3 -c UNPACK <target>` with our own archive on stdin."""

PACK = """
import os, sys, tarfile
def plain(entry):
    if entry.isfile() or entry.isdir():
        return entry
    print(entry.name, file=sys.stderr)
os.chdir(sys.argv[1])
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
    for name in sorted(os.listdir(".")):
        archive.add(name, filter=plain)
"""
"""`python3 -c PACK <source>`: an archive on stdout; what is neither file nor folder is left out and named on stderr."""


def packed(root: Path, names: Sequence[str]) -> Iterator[bytes]:
    """Return archives of the files root/name, each of some 32 MiB at most (one larger file is an archive of its own)."""
    batch: list[str] = []
    size = 0
    for name in names:
        length = (root / name).stat().st_size
        if batch and size + length > BATCH_BYTES:
            yield _archive(root, batch)
            batch, size = [], 0
        batch.append(name)
        size += length
    if batch:
        yield _archive(root, batch)


def unpack(archive: IO[bytes], target: Path) -> None:
    """Write an archive's files and folders below `target`.

    Raises ValueError, before anything is written, for an absolute path, `..`, a link, a device: a host that is not
    trusted chooses these names. Raises tarfile.TarError when the archive is no whole one.
    """
    with tarfile.open(fileobj=archive, mode="r:") as tar:
        members = tar.getmembers()
        places = [_place(member, target) for member in members]
        target.mkdir(parents=True, exist_ok=True)
        for member, place in zip(members, places, strict=True):
            _write(tar, member, place)


def _archive(root: Path, names: Sequence[str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
        for name in names:
            archive.add(root / name, arcname=name, recursive=False, filter=_without_owner)
    return stream.getvalue()


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _place(member: tarfile.TarInfo, target: Path) -> Path:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{member.name!r} leads out of the folder")
    if not (member.isfile() or member.isdir()):
        raise ValueError(f"{member.name!r} is neither a file nor a folder")
    return target.joinpath(*path.parts)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with content, place.open("wb") as file:
            shutil.copyfileobj(content, file)
