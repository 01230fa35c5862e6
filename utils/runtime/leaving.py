"""What is done with a container once nothing is to run in it any more: its files to their owner, itself away, on every path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from docker import APIClient
from loguru import logger

from tools.errors import AccelmarkError
from utils.connection.base import QUICK_SECONDS, Connection
from utils.connection.patience import Patience
from utils.ownership import ROOT
from utils.runtime.creation import container_name, create, make_permit, permit, remove_quietly
from utils.runtime.engine import engine_errors
from utils.runtime.hardening import hardened
from utils.runtime.keeper import OUTPUT, STATE
from utils.runtime.labels import CASE, RANK, RUN
from utils.runtime.limits import is_rootless

CHOWN_SECONDS = 300


def give_to_owner(
    connection: Connection,
    container: str,
    owner: tuple[int, int],
    folders: Sequence[str],
    patience: Patience,
    restart: bool,
    image: str,
    labels: Mapping[str, str],
) -> None:
    """What root made in the container becomes the owner's; a failure costs no result and is only logged.

    After a timeout, a cancel or Ctrl-C the container is dead, or the guest goes on writing: a `restart` mends both. Where it has
    gone altogether, another one of the same `image`, with these `labels`, does it.
    """
    if owner == ROOT:
        return
    command = ["chown", *_arguments(owner, folders)]

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
        logger.info("{}: chown in {}: {}", connection.host, container, said)
        reclaim(connection, image, owner, folders, patience, labels)


def reclaim(
    connection: Connection,
    image: str,
    owner: tuple[int, int],
    folders: Sequence[str],
    patience: Patience,
    labels: Mapping[str, str],
) -> None:
    """What the root of a container that has gone left in folders of a host becomes the owner's, by a short-lived container of
    `image` with these `labels`, with its permit in the first folder; a failure is only logged."""
    if owner == ROOT:
        return

    def give() -> str:
        with engine_errors(connection.host):
            connection.reach_engine()
            api = connection.docker().api
            if is_rootless(api.info()):
                return ""
            make_permit(connection, folders[0], owner)
            return _given_by_another(api, image, owner, folders, labels)

    try:
        said = patience.again(f"chown of {folders[0]}", give)
    except AccelmarkError as error:
        said = str(error)
    if said:
        logger.warning("{}: files in {} may still belong to root: {}", connection.host, folders[0], said)
    _remove_files(connection, [permit(folders[0])], patience)


def _given_by_another(
    api: APIClient, image: str, owner: tuple[int, int], folders: Sequence[str], labels: Mapping[str, str]
) -> str:
    """Return why it could not be done, '' where it was."""
    is_read_only = {**dict.fromkeys(folders, False), permit(folders[0]): True}
    mounts = [{"Type": "bind", "Source": path, "Target": path, "ReadOnly": only} for path, only in is_read_only.items()]
    host = api.create_host_config(**hardened({"network_mode": "none", "mounts": mounts}))
    command = _arguments(owner, folders)
    name = container_name(labels[RUN], labels[CASE], int(labels[RANK]))
    made = create(api, image, command, name, labels, entrypoint=["chown"], user="0:0", host_config=host)
    try:
        api.start(made["Id"])
        status = api.wait(made["Id"], timeout=CHOWN_SECONDS)["StatusCode"]
        return api.logs(made["Id"]).decode("utf-8", errors="replace").strip() if status != 0 else ""
    finally:
        remove_quietly(api, made["Id"])


def _arguments(owner: tuple[int, int], folders: Sequence[str]) -> list[str]:
    """Of chown: what is root's in these folders, and a link itself instead of what it leads to."""
    return ["-R", "-h", "--from=0", "{}:{}".format(*owner), *folders]


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


def forget_command(connection: Connection, folder: str, patience: Patience) -> None:
    """Remove from a log folder on the host what only served to have a container and to follow the guest in it; never raises an
    AccelmarkError."""
    _remove_files(connection, [permit(folder), *(f"{folder}/{name}" for name in (OUTPUT, STATE))], patience)


def _remove_files(connection: Connection, paths: Sequence[str], patience: Patience) -> None:
    with suppress(AccelmarkError):
        patience.again(f"removal of {paths[0]}", lambda: connection.run(["rm", "-rf", *paths], timeout=QUICK_SECONDS))
