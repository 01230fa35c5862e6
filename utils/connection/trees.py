"""Folders as tar streams: how they are packed and unpacked here, and the small programs that do it on a host."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from tools.errors import CommandError

if TYPE_CHECKING:
    from utils.connection.base import Connection

BATCH_BYTES = 32 * 1024 * 1024
DISARM_SECONDS = 300.0
MOST_HEADER_BYTES = 2**20

UNPACK = """
import os, sys, tarfile
os.makedirs(sys.argv[1], exist_ok=True)
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    archive.extractall(sys.argv[1], **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
"""
"""`python3 -c UNPACK <target>` with our own archive on stdin."""

MOST_FILE_BYTES = 2 * 2**30
MOST_TREE_BYTES = 8 * 2**30
MOST_NAMES = 100_000
DEEPEST = 30
"""What is collected from a guest's folder; a profiler's trace has some hundred MB, and a guest may have made anything."""

WALK = """
import os, stat, sys
def kind_of(mode):
    tests = (("a link", stat.S_ISLNK), ("a FIFO", stat.S_ISFIFO), ("a socket", stat.S_ISSOCK))
    return next((name for name, test in tests if test(mode)), "a device")
def walk(folder, deepest, most):
    waiting = [(folder, "", 0)]
    seen = 0
    while waiting:
        path, name, depth = waiting.pop()
        try:
            with os.scandir(path) as found:
                for entry in found:
                    seen += 1
                    if seen > most:
                        say(name or ".", "more than %d files below it" % most)
                        return
                    inner = name + entry.name
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode) and depth >= deepest:
                        say(inner, "nested too deeply")
                        too_deep(entry.path)
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append((entry.path, inner + "/", depth + 1))
                    yield entry.path, inner, status
        except OSError as error:
            if not name:
                raise
            say(name, str(error.strerror))
def too_deep(path):
    pass
said = 0
def say(name, why):
    global said
    said += 1
    if said <= 20:
        print(ascii(name)[1:-1][:200] + ": " + why, file=sys.stderr)
    elif said == 21:
        print("and more", file=sys.stderr)
"""
"""What PACK and DISARM begin with: all below a folder that a guest could write, which may be of any kind, name and depth."""

PACK = (
    WALK
    + """
import tarfile
source, most_bytes, most_all, most_names, deepest = sys.argv[1], *map(int, sys.argv[2:])
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
    for path, name, status in walk(source, deepest, most_names):
        if stat.S_ISDIR(status.st_mode):
            folder = tarfile.TarInfo(name)
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            continue
        if not stat.S_ISREG(status.st_mode):
            say(name, "it is %s, neither a file nor a folder" % kind_of(status.st_mode))
            continue
        if status.st_size > most_bytes or status.st_size > most_all:
            say(name, "it has %d bytes, which is too much" % status.st_size)
            continue
        most_all -= status.st_size
        try:
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except OSError as error:
            say(name, str(error.strerror))
            continue
        with file:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = status.st_size, int(status.st_mtime)
            archive.addfile(entry, file)
"""
)
"""`python3 -c PACK <source> <limits>`: an archive on stdout; what is left out is named on stderr. Python 3.6."""

DISARM = (
    WALK
    + """
import time
def too_deep(path):
    os.chmod(path, 0o700)
for folder, age in zip(sys.argv[2::2], sys.argv[3::2]):
    newest = time.time() - float(age) if float(age) else 0
    for path, name, status in walk(folder, int(sys.argv[1]), 10**7) if os.path.isdir(folder) else ():
        mode = status.st_mode
        try:
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                if status.st_ctime >= newest:
                    os.unlink(path)
                    say(name, "it was %s and is removed" % kind_of(mode))
            elif mode & (stat.S_ISUID | stat.S_ISGID) and (stat.S_ISREG(mode) or mode & stat.S_ISUID):
                os.chmod(path, stat.S_IMODE(mode) & 0o1777)
                say(name, "it would have run as its owner or group; that bit is taken off")
        except OSError as error:
            say(name, "it is suspicious and stays: %s" % error.strerror)
"""
)
"""`python3 -c DISARM <deepest> (<folder> <seconds>)...`: takes away what a guest may have left for others to stumble over.

Links, devices, FIFOs and sockets go (with seconds not 0: those that are younger), so does the set-user-id bit,
and what is nested too deeply is closed to others. Python 3.6.
"""


def pack_command(python: str, source: str) -> tuple[str, ...]:
    """The command that packs a folder on its host."""
    limits = (MOST_FILE_BYTES, MOST_TREE_BYTES, MOST_NAMES, DEEPEST)
    return (python, "-c", PACK, source, *map(str, limits))


def disarm(connection: Connection, folders: Mapping[str, float]) -> list[str]:
    """Take away what a guest left in folders for others to stumble over, and return it in words: see DISARM.

    `folders` has for each how many seconds old that may be; 0 means of any age. Raises CommandError, HostError.
    """
    words = [word for folder, seconds in folders.items() for word in (folder, str(seconds))]
    done = connection.run((connection.python, "-c", DISARM, str(DEEPEST), *words), timeout=DISARM_SECONDS)
    if done.status != 0:
        raise CommandError(f"{', '.join(folders)}: not looked through: {done.stderr.strip()[-300:]}")
    return done.stderr.splitlines()


class Received:
    """What an archive is written to while it arrives. Raises ValueError when it is longer than any that PACK makes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._room = MOST_TREE_BYTES + MOST_NAMES * 4096

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._room -= len(data)
        if self._room < 0:
            raise ValueError("it is longer than it may be")
        self._file.write(data)


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

    Raises ValueError, before anything is written, for an absolute path, `..`, a link, a device, a sparse file, and for more than
    PACK packs: a host that is not trusted chooses these names. Raises tarfile.TarError when the archive is no whole one, OSError.
    """
    with tarfile.open(fileobj=cast(IO[bytes], _Sipped(archive)), mode="r:") as tar:
        members = list(islice(tar, MOST_NAMES + 1))
        if len(members) > MOST_NAMES or sum(member.size for member in members) > MOST_TREE_BYTES:
            raise ValueError("it has more in it than it may have")
        places = [_place(member, target) for member in members]
        target.mkdir(parents=True, exist_ok=True)
        for member, place in zip(members, places, strict=True):
            try:
                _write(tar, member, place)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise ValueError(f"{member.name!r} is a file and a folder") from error


class _Sipped:
    """A file of which little is read at a time: tarfile reads headers whole, however long an archive says that they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MOST_HEADER_BYTES:
            raise tarfile.ReadError("a header is too long")
        return self._file.read(size)


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
    if path.is_absolute() or ".." in path.parts or "\0" in member.name or not path.parts:
        raise ValueError(f"{member.name!r} leads out of the folder")
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise ValueError(f"{member.name!r} is neither a file nor a folder")
    return target.joinpath(*path.parts)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with content, os.fdopen(os.open(place, flags, 0o644), "wb") as file:
            shutil.copyfileobj(content, file)
