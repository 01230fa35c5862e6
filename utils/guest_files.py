"""Reads files that a guest wrote, who chose their kind and size: plain files of a bounded size, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from loguru import logger

from tools.contract import write_atomically
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


def hide_secrets(folder: Path, mask: Masker) -> None:
    """Take a configuration's secrets out of the text files that a guest left in a folder: it was given them, and may have
    printed them. A file that cannot be written is only logged."""
    for path in folder.rglob("*") if mask.secrets else ():
        if path.suffix in TEXTS:
            try:
                with open_plain(path, MOST_MASKED_BYTES) as stream:
                    text = stream.read(MOST_MASKED_BYTES)
                if any(secret.encode() in text for secret in mask.secrets):
                    write_atomically(path, mask.without_known(text.decode("utf-8", errors="replace")))
            except (OSError, Refused) as error:
                logger.warning("{}: not looked through for secrets: {}", path, error)


def _named(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")
