"""Creating a case's container exactly once, although an engine may answer a request late, or not before its run.py was killed.

Two things hold a late request up. The container mounts a folder of its own, the permit: an engine refuses a mount whose source is
gone, so what it gets to after the permit was removed makes nothing. And all starts of a run use one name, which an engine gives
away once, from before it last looks at the mounts until the container is gone: what it is at work on shows by a conflict.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound, NotFound
from requests.exceptions import RequestException

from utils.connection.base import QUICK_SECONDS, Connection
from utils.ownership import ROOT
from utils.runtime.engine import engine_errors
from utils.runtime.labels import CASE, PID, RANK, RUN, owner_lives

PERMIT = ".container"
"""In the case's log folder, from before its container is asked for until that has gone."""

CONFLICT = 409
MAKING_SECONDS = 120.0
"""How long a container that the engine is at work on is waited for."""

PAUSE_SECONDS = 0.2
REMOVAL_SECONDS = 30
"""How long somebody else's removal of a container is waited for."""


def container_name(run_id: str, case_name: str, rank: int) -> str:
    """The name of a case's container (`case_name` is `<case>:<framework>`), the same in all starts of its run."""
    return re.sub(r"[^\w.-]", "_", f"accelmark-{run_id}-{case_name}-{rank}".replace(":", "-"))


def permit(log_dir: str) -> str:
    """The permit's path on the host and in the container."""
    return f"{log_dir}/{PERMIT}"


def make_permit(connection: Connection, log_dir: str, owner: tuple[int, int]) -> None:
    """Let the engine make a container that mounts this permit. It is its owner's from the start: root of the container, which
    gives all else to the owner, cannot write it. Raises CommandError, HostError."""
    allowed = permit(log_dir)
    connection.run(["mkdir", "-p", allowed], timeout=QUICK_SECONDS).check()
    if owner != ROOT:
        connection.run(["chown", "{}:{}".format(*owner), allowed], timeout=QUICK_SECONDS).check()


def create(
    api: APIClient, image: str, command: Sequence[str], name: str, labels: Mapping[str, str], **options: Any
) -> dict[str, Any]:
    """Create a container, in place of one that an earlier request of the same case and run has made, or is about to make.

    Raises what the SDK raises, a conflict too where another run's container has the name or the engine does not get done.
    """
    until = time.monotonic() + MAKING_SECONDS
    while True:
        try:
            made: dict[str, Any] = api.create_container(image, list(command), name=name, labels=dict(labels), **options)
        except APIError as error:
            if error.status_code != CONFLICT or time.monotonic() > until or _is_anothers(api, name, labels):
                raise
        else:
            return made
        remove_quietly(api, name)
        time.sleep(PAUSE_SECONDS)


def withdraw(connection: Connection, image: str, name: str, labels: Mapping[str, str]) -> None:
    """Return once the engine has no container of this name and is at work on none; its permit has to be gone before.

    Raises HostError when the engine is away.
    """
    with engine_errors(connection.host):
        api = connection.docker().api
        try:
            taken = create(api, image, ["true"], name, labels)
        except ImageNotFound:  # then no request for one of it succeeds either
            remove_quietly(api, name)
        else:
            remove_quietly(api, taken["Id"])


def remove_quietly(api: APIClient, container: str) -> None:
    """Remove a container that may have gone already, or be going. Raises what the SDK raises for all else."""
    try:
        api.remove_container(container, force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if "already in progress" not in str(error):
            raise
        with suppress(APIError, RequestException):
            api.wait(container, timeout=REMOVAL_SECONDS, condition="removed")


def _is_anothers(api: APIClient, name: str, labels: Mapping[str, str]) -> bool:
    """Whether the name belongs to a container that is not this case's, or a living process's; one in the making has no owner."""
    try:
        known = api.inspect_container(name)["Config"]["Labels"] or {}
    except NotFound:
        return False
    is_same = all(known.get(key) == labels[key] for key in (RUN, CASE, RANK))
    return not is_same or (known.get(PID) != labels[PID] and owner_lives(known))
