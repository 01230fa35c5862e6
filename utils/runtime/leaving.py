"""What is done with a container once nothing is to run in it any more: its files to their owner, itself away, on every path."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from docker import APIClient
from docker.errors import APIError, NotFound
from loguru import logger
from requests.exceptions import RequestException

from tools.errors import AccelmarkError
from utils.connection.base import QUICK_SECONDS, Connection
from utils.connection.patience import Patience
from utils.runtime.engine import engine_errors
from utils.runtime.keeper import OUTPUT, STATE
from utils.runtime.limits import is_rootless

REMOVAL_SECONDS = 30
"""How long somebody else's removal of the container is waited for."""


def give_to_owner(
    connection: Connection,
    container: str,
    owner: tuple[int, int],
    folders: Sequence[str],
    patience: Patience,
    restart: bool,
) -> None:
    """What root made in the container becomes the owner's; a failure costs no result and is only logged.

    After a timeout, a cancel or Ctrl-C the container is dead, or the guest goes on writing: a `restart` mends both.
    """
    if owner == (0, 0):
        return
    command = ["chown", "-R", "-h", "--from=0", "{}:{}".format(*owner), *folders]

    def give() -> str:
        with engine_errors(connection.host):
            connection.reach_engine()
            api = connection.docker().api
            if is_rootless(api.info()):  # its root is the owner already, and any other number would be a stranger's
                return ""
            if restart:
                api.restart(container, timeout=0)
            made = api.exec_create(container, command, user="0")
            return api.exec_start(made["Id"]).decode("utf-8", errors="replace").strip()

    try:
        said = patience.again(f"chown in {container}", give)
    except AccelmarkError as error:
        said = str(error)
    if said:
        logger.warning("{}: files in {} may still belong to root: {}", connection.host, folders[0], said)


def remove_container(connection: Connection, container: str, patience: Patience) -> list[str]:
    """Remove a container, also one that was created and never started; never raises an AccelmarkError, but returns a note.

    The next run finds by its label what stays behind here.
    """

    def remove() -> None:
        with engine_errors(connection.host):
            connection.reach_engine()
            remove_quietly(connection.docker().api, container)

    try:
        patience.again(f"removal of {container}", remove)
    except AccelmarkError as error:
        note = f"its container {container} could not be removed ({error}); the next run there does that, or `run.py clean`"
        logger.warning("{}: {}", connection.host, note)
        return [note]
    return []


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


def forget_command(connection: Connection, folder: str, patience: Patience) -> None:
    """Remove from a log folder on the host what only served to follow the guest; never raises an AccelmarkError."""
    files = [f"{folder}/{name}" for name in (OUTPUT, STATE)]
    with suppress(AccelmarkError):
        patience.again("removal of the kept output", lambda: connection.run(["rm", "-f", *files], timeout=QUICK_SECONDS))
