"""What a connection to a host can do; everything above it works alike on this machine and over SSH."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tools.errors import CommandError, HostError
from utils.plain_text import plain

if TYPE_CHECKING:
    from docker import DockerClient


PASSWORD = "ACCELMARK_SSH_PASSWORD"  # noqa: S105 - the variable's name

LEAST_PYTHON = (3, 8)
"""A host's own python3: monitors and guests need it. What asks for its version, and what that rests on, is valid Python 3.6."""

QUICK_SECONDS = 60.0
"""The deadline of a command that takes no time, on a host that is busy."""

INSTALL_PYTHON = "install python3 ({}.{} or newer)".format(*LEAST_PYTHON)

Cancelled = Callable[[Callable[[], None]], None]
"""Receives a function that ends what begins now, to be called from another thread."""


class LinkLost(HostError):
    """The way to a host broke off; it may come back (`Connection.reach`)."""


class EngineLost(LinkLost):
    """The host's Docker engine, which has answered before, does not: it was ended, it hangs, or the way to it broke off."""


def without_password() -> dict[str, str]:
    """The environment for children of ours: guests, monitors and proxy commands have no need of the SSH password."""
    return {name: value for name, value in os.environ.items() if name != PASSWORD}


@dataclass(frozen=True)
class Completed:
    """A finished command: its outcome is a value, `check()` turns a failure into an error."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def check(self) -> Completed:
        """Return self. Raises CommandError, with the last lines of the output, when the status is not 0."""
        if self.status != 0:
            tail = "\n".join(plain(self.stderr or self.stdout).strip().splitlines()[-5:])
            raise CommandError(f"{' '.join(self.argv)}: exit {self.status}\n{tail}".rstrip())
        return self


class Connection(Protocol):
    """One host. Every command is a list of arguments and has a timeout in seconds."""

    host: str
    is_local: bool
    python: str
    """The interpreter for our own scripts: this one on this machine, `python3` on another."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        cancelled: Cancelled | None = None,
    ) -> Completed:
        """Run a command to its end; `env` adds to the environment. With `on_line`, stdout and stderr are merged, each line is
        handed over as it comes and Completed.stdout holds only the last 100 lines. `cancelled` receives a function that,
        called from another thread, ends the command and all its children at once (run then returns a status that is not 0).
        What the command leaves running in its own session is ended with it; a daemon with a session of its own stays.
        `status` is 127 for a command that is not there, 128 + N after signal N; without `on_line` the last 16 MiB of each
        stream are kept. Lines and stderr come plain; a stdout without `on_line` is data, as the command wrote it. Raises
        CommandTimeout after `timeout` (the command and its children are gone), LinkLost when the way to the host broke off,
        HostError for all else that keeps it from answering."""

    def put_tree(self, root: Path, names: Sequence[str], target: str, cancelled: Cancelled | None = None) -> None:
        """Copy the files root/name to target/name, folders made as needed. Raises HostError when it cannot write, or was
        ended by `cancelled`."""

    def get_tree(self, source: str, target: Path) -> list[str]:
        """Copy the folder `source` of the host into the local folder `target`: regular files and folders of a bounded size and
        number only; what stays behind is returned in words. Raises CommandError when `source` cannot be read, HostError for an
        archive that leads elsewhere."""

    def docker(self) -> DockerClient:
        """The host's Docker engine, one client per connection. Raises HostError when none answers."""

    def reach(self, cancelled: Cancelled | None = None) -> None:
        """Make sure that the host answers, by another login where the link was lost. Raises HostError when it does not."""

    def reach_engine(self) -> None:
        """Make sure that the host's Docker engine answers. Raises HostError when it does not."""

    def close(self) -> None:
        """End everything this connection opened; safe to call twice."""

    def __enter__(self) -> Connection: ...

    def __exit__(self, *unused: object) -> None: ...
