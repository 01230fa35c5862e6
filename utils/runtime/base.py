"""What a runtime can do: give one case a place to run on one host, prepare it there and run the guest in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from signal import Signals
from typing import Protocol

from utils.connection.base import Cancelled

OnLine = Callable[[str], None]
"""Receives each line of output as it comes."""


def ending(status: int) -> str:
    """How a command with this status ended, in words; signals by their names."""
    if status <= 128:
        return f"exit status {status}"
    try:
        return f"signal {status - 128} ({Signals(status - 128).name})"
    except ValueError:
        return f"signal {status - 128}"


class Place(Protocol):
    """Where one case runs: a container, or this machine's own Python. It is gone when its context ends, on every path."""

    @property
    def description(self) -> str:
        """How messages name this place."""

    @property
    def notes(self) -> list[str]:
        """What a reader of the report must know of this place, once it was entered."""

    def run(self, argv: Sequence[str], *, timeout: float, on_line: OnLine, cancelled: Cancelled | None = None) -> int:
        """Run a command of the guest's in FLAGPERF_PATH, its output line by line to `on_line`, and return its exit status.

        A leading `python3` means the place's own interpreter; a status above 128 is 128 and the signal that ended the command.
        Raises CaseTimeout past `timeout` seconds, OutOfMemory when the memory limit ended it, CaseCrash when the container
        is gone, HostError when the host or the engine is lost.
        """

    def __enter__(self) -> Place: ...

    def __exit__(self, *unused: object) -> None: ...
