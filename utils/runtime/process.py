"""Runtime process: the guest as a child process, with the connection's own Python; nothing is isolated from the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tools.errors import CaseTimeout, CommandTimeout
from utils.connection.base import Cancelled, Connection
from utils.plan import RunPlan
from utils.runtime.base import OnLine
from utils.runtime.prepare import pip_environment


@dataclass(frozen=True)
class ProcessPlace:
    """A host's own Python as the place of a case. `environment` adds MASTER_ADDR, RANK and their like."""

    connection: Connection
    plan: RunPlan
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """There is nothing to be said."""
        return []

    @property
    def description(self) -> str:
        """How messages name this place."""
        return f"process on {self.connection.host}"

    def run(self, argv: Sequence[str], *, timeout: float, on_line: OnLine, cancelled: Cancelled | None = None) -> int:
        """Run a command as a child process; see Place.run. Memory has no limit here, so none is ever reported as reached."""
        command = [self.connection.python, *argv[1:]] if argv[0] == "python3" else list(argv)
        pip = pip_environment(self.plan.pip_source)
        env = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **pip, **self.plan.environment, **self.environment}
        try:
            completed = self.connection.run(
                command, timeout=timeout, cwd=self.plan.code_path, env=env, on_line=on_line, cancelled=cancelled
            )
        except CommandTimeout as error:
            raise CaseTimeout(str(error)) from error
        return completed.status if completed.status >= 0 else 128 - completed.status

    def __enter__(self) -> ProcessPlace:
        return self

    def __exit__(self, *unused: object) -> None:
        """Nothing is left to be ended: every command was run to its end."""
