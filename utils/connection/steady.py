"""A connection whose commands are repeated once a lost host is back, as those may be that prepare and collect."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.connection.base import Cancelled, Completed, Connection
from utils.connection.patience import Patience

if TYPE_CHECKING:
    from docker import DockerClient


class SteadyConnection:
    """`inner`, with patience. A command whose lines are handed on (`on_line`) is not repeated: they would come twice."""

    def __init__(self, inner: Connection, patience: Patience) -> None:
        self._inner, self._patience = inner, patience
        self.host, self.is_local, self.python = inner.host, inner.is_local, inner.python

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
        """See Connection.run."""

        def command() -> Completed:
            return self._inner.run(argv, timeout=timeout, cwd=cwd, env=env, stdin=stdin, on_line=on_line, cancelled=cancelled)

        return command() if on_line is not None else self._patience.again(_shown(argv), command)

    def put_tree(self, root: Path, names: Sequence[str], target: str, cancelled: Cancelled | None = None) -> None:
        """See Connection.put_tree."""
        self._patience.again(f"copy to {target}", lambda: self._inner.put_tree(root, names, target, cancelled))

    def get_tree(self, source: str, target: Path) -> list[str]:
        """See Connection.get_tree."""
        return self._patience.again(f"copy of {source}", lambda: self._inner.get_tree(source, target))

    def docker(self) -> DockerClient:
        """See Connection.docker."""
        return self._inner.docker()

    def reach(self, cancelled: Cancelled | None = None) -> None:
        """See Connection.reach."""
        self._inner.reach(cancelled)

    def reach_engine(self) -> None:
        """See Connection.reach_engine."""
        self._inner.reach_engine()

    def close(self) -> None:
        """See Connection.close."""
        self._inner.close()

    def __enter__(self) -> SteadyConnection:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _shown(argv: Sequence[str]) -> str:
    return f"'{shlex.join(argv[:2])[:60]}'"
