"""Finding a guest that runs on although the run.py, the link or the engine that started it has gone, and waiting for it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.connection.base import QUICK_SECONDS, Cancelled, Connection
from utils.connection.patience import Patience
from utils.runtime.base import OnLine
from utils.runtime.clean import labelled
from utils.runtime.engine import engine_errors
from utils.runtime.execution import FOLLOWER, Execution
from utils.runtime.labels import CASE, CHOWN, CONTAINER, FOLDER, KIND, RANK, RUN, container_labels
from utils.runtime.leaving import forget_command, give_to_owner, remove_container
from utils.runtime.watch import EngineWatch

YEAR_5000 = 1e11
ALIVE = ("running", "paused")


@dataclass(frozen=True)
class RunningGuest:
    """A guest that was started in a container: it runs, or it has ended and its container is still there.

    `folder` is its log folder on the host, `started` when it began (seconds since the epoch, by the host's clock), `labels` are
    for a container that gives its files to their owner.
    """

    connection: Connection
    container: str
    image: str
    title: str
    folder: str
    token: str
    started: float
    labels: Mapping[str, str]
    patience: Patience = field(compare=False)

    def wait(self, timeout: float, on_line: OnLine, cancelled: Cancelled | None = None) -> int:
        """Return the guest's exit status (137 after a cancel). `on_line` gets *all* of its output, from the first line on.

        `timeout` is in seconds from now: CASE_TIMEOUT less what it has run already. A link that is lost meanwhile is waited
        for as in any case. Raises what Place.run raises: CaseTimeout, OutOfMemory, CaseCrash, HostError. The container is
        still there afterwards, dead after a timeout or a cancel: call `remove`.
        """
        with engine_errors(self.connection.host):
            watch = EngineWatch(self.connection.docker().api, self.container)
        execution = Execution(self.connection, self.patience, watch, self.container, self.folder, self.title)
        return execution.wait(self.token, timeout, on_line, cancelled)

    def remove(self, owner: tuple[int, int] = (0, 0), disturbed: bool = True) -> None:
        """Give what the guest wrote to `owner`, and remove the container and our files beside the guest's; never raises.

        `disturbed` False says that the guest ended by itself, so that its container is alive.
        """
        give_to_owner(self.connection, self.container, owner, [self.folder], self.patience, disturbed, self.image, self.labels)
        forget_command(self.connection, self.folder, self.patience)
        remove_container(self.connection, self.container, self.patience)


def find_running(connection: Connection, run_id: str, case_name: str, rank: int, patience: Patience) -> RunningGuest | None:
    """The guest of one case (`<case>:<framework>`) of a run: it runs, or how it ended is known. None where its container is gone,
    was still being prepared, or died with its host or its engine (then the case is to be run anew).

    `patience` is how long a lost host is waited for, and by whom that is cancelled (Session.patience). A guest of RUNTIME process
    ends with the connection that started it, so there is never one to be found. Raises HostError when the host or its engine does
    not answer.
    """
    for container in _containers(connection, run_id, case_name, rank):
        folder = container["Labels"].get(FOLDER, "")
        known = _state(connection, folder)
        if known.get("guest") and ("status" in known or container["State"] in ALIVE):
            title = f"{case_name} on {connection.host}"
            return RunningGuest(
                connection,
                container["Id"],
                container["ImageID"],
                title,
                folder,
                str(known["token"]),
                float(known["started"]),
                container_labels(run_id, CHOWN, rank),
                patience,
            )
    return None


def was_removed(connection: Connection, run_id: str, case_name: str, rank: int, folder: str) -> bool:
    """Whether the container of a case has gone although something was still running in it, by what that left in its log folder.

    One that died with its host or its engine is still there. Raises HostError when the host or its engine does not answer.
    """
    known = _state(connection, folder)
    return bool(known) and "status" not in known and not _containers(connection, run_id, case_name, rank)


def _containers(connection: Connection, run_id: str, case_name: str, rank: int) -> list[Any]:
    with engine_errors(connection.host):
        return labelled(connection.docker().api, {KIND: CONTAINER, RUN: run_id, CASE: case_name, RANK: str(rank)})


def _state(connection: Connection, folder: str) -> Mapping[str, Any]:
    """What keeper.py left there of its command."""
    said = connection.run([connection.python, "-ISc", FOLLOWER, folder], timeout=QUICK_SECONDS).check().stdout
    known = json.loads(said)
    is_state = isinstance(known, dict) and isinstance(known.get("token"), str) and isinstance(known.get("started"), float)
    return known if is_state and 0 <= known["started"] < YEAR_5000 else {}  # the guest can write there, too
