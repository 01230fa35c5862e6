"""Reads files that a guest wrote, who chose their kind and size: plain files of a bounded size, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from loguru import logger

from tools.contract import write_atomically
from utils.plain_text import may_steer, plain
from utils.runtime.masking import Masker

MOST_RESULT_BYTES = 64 * 2**20
"""result.json: a case with a sweep and scenarios writes some hundred kB."""

MOST_MASKED_BYTES = 256 * 2**20
TEXTS = (".json", ".log", ".txt", ".yaml")

MOST_LOG_BYTES = 2 * 2**30
"""A monitor's log: a day of eight devices at 20 readings a second is 1 GiB."""


class Refused(ValueError):
    """A file that is not read, and why."""


def open_plain(path: Path, most_bytes: int) -> IO[bytes]:
    """Open a guest's file for reading. Raises Refused for a link (which may lead anywhere), a FIFO (which never ends), a device,
    a folder and a file of more than `most_bytes`; FileNotFoundError, OSError."""
    kind = path.lstat().st_mode
    if not stat.S_ISREG(kind):
        raise Refused(f"it is {_named(kind)} and not a file, so it is not read")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = os.fdopen(descriptor, "rb")
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
        stream.close()
        raise Refused(f"it has {found.st_size:,} bytes, more than the {most_bytes:,} that are read")
    return stream


def read_text(path: Path) -> str:
    """The text of a guest's result.json. Raises as open_plain does, and UnicodeDecodeError."""
    with open_plain(path, MOST_RESULT_BYTES) as stream:
        return stream.read(MOST_RESULT_BYTES).decode("utf-8")


def make_presentable(folder: Path, mask: Masker) -> None:
    """Take out of the text files that a guest left in a folder a configuration's secrets, which it was given and may have
    printed, and out of its logs what a terminal obeys. A file that cannot be read or written is only logged."""
    for path in folder.rglob("*"):
        if path.suffix in TEXTS:
            try:
                with open_plain(path, MOST_MASKED_BYTES) as stream:
                    written = stream.read(MOST_MASKED_BYTES)
                if (text := _presentable(written, mask, is_log=path.suffix != ".json")) is not None:
                    write_atomically(path, text)
            except (OSError, Refused) as error:
                logger.warning("{}: not looked through for what must not be shown: {}", path, error)


def _presentable(written: bytes, mask: Masker, is_log: bool) -> str | None:
    """The text as it is to be; None where it is so already. In JSON, which is parsed and not printed, all stays where it is."""
    steers = is_log and may_steer(written)
    if not steers and not any(secret.encode() in written for secret in mask.secrets):
        return None
    text = written.decode("utf-8", errors="replace")
    return mask.without_known(plain(text) if steers else text)


def _named(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")
