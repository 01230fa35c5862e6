"""Log files that a full disk ends, and nothing else with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.plain_text import plain

MOST_BYTES = 2**30
"""A guest that never stops printing must not fill the disk for everybody's results."""


@contextmanager
def appending(path: Path, failed: Callable[[str], None] = lambda _: None) -> Iterator[Callable[[str], None]]:
    """A function that appends a line, plain, to a file. The first line that cannot be written, or is beyond MOST_BYTES, is the
    last one tried; `failed` is told.

    Raises OSError when the file cannot be opened, or is a link or a FIFO: what writes here does so where guests write, too.
    """
    whole, written = True, 0
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o644), "ab", buffering=0) as stream:

        def append(line: str) -> None:
            nonlocal whole, written
            raw = f"{plain(line)}\n".encode(errors="replace")
            written += len(raw)
            try:
                if whole and written <= MOST_BYTES:
                    stream.write(raw)
                elif whole:
                    whole = False
                    failed(f"{path.name} ends early: it would have more than {MOST_BYTES:,} bytes")
            except OSError as error:
                whole = False
                failed(f"{path.name} ends early: {error.strerror}")

        yield append
