"""Log files that a full disk ends, and nothing else with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appending(path: Path, failed: Callable[[str], None] = lambda _: None) -> Iterator[Callable[[str], None]]:
    """A function that appends a line to a file. The first line that cannot be written is the last one tried; `failed` is told.

    Raises OSError when the file cannot be opened.
    """
    whole = True
    with path.open("ab", buffering=0) as stream:

        def append(line: str) -> None:
            nonlocal whole
            try:
                if whole:
                    stream.write(f"{line}\n".encode())
            except OSError as error:
                whole = False
                failed(f"{path.name} ends early: {error.strerror}")

        yield append
