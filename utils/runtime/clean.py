"""Clearing away: containers and images with our labels, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from utils.connection.base import Connection
from utils.runtime.engine import engine_errors, explanation
from utils.runtime.labels import CASE, CONTAINER, IMAGE, KIND, RANK, RUN, STEP, VENDOR, owner_lives

LISTINGS = 5


def clean(connection: Connection, images: bool, run_id: str | None = None, vendor: str | None = None) -> list[str]:
    """Remove our containers, a running run's too, and with `images` our images; return what was removed, or why not, in words.

    `run_id` narrows the containers to one run's, `vendor` the images to one vendor's. Raises HostError when the engine is away.
    """
    with engine_errors(connection.host):
        api = connection.docker().api
        said = [_remove_container(api, found) for found in _containers(api, run_id)]
        said += [] if run_id else _remove_steps(api)
        if images:
            labels = [f"{KIND}={IMAGE}"] + ([f"{VENDOR}={vendor}"] if vendor else [])
            said += [_remove_image(api, found) for found in api.images(filters={"label": labels})]
    return said


def reap(connection: Connection, except_run: str) -> list[str]:
    """Remove the containers that killed runs left, and return them in words.

    Those of `except_run` stay, and those whose run is alive on this machine; another machine's run counts as dead.
    Raises HostError when the engine is away.
    """
    with engine_errors(connection.host):
        api = connection.docker().api
        left = [found for found in _containers(api, None) if found["Labels"].get(RUN) != except_run]
        return [_remove_container(api, found) for found in left if not owner_lives(found["Labels"])] + _remove_steps(api)


def remove_run(connection: Connection, run_id: str, rank: int, case_name: str | None = None) -> list[str]:
    """Remove what containers one run has on one of its hosts, or those of one of its cases there, and return them in words.

    Another host of the run may have the same engine, so the rank tells. Raises HostError when the engine is away.
    """
    wanted = {KIND: CONTAINER, RUN: run_id, RANK: str(rank), **({} if case_name is None else {CASE: case_name})}
    with engine_errors(connection.host):
        api = connection.docker().api
        return [_remove_container(api, found) for found in labelled(api, wanted)]


def remove_steps(connection: Connection) -> list[str]:
    """Remove the containers of builds that their engine did not survive, and return them in words. Raises HostError when the
    engine is away."""
    with engine_errors(connection.host):
        return _remove_steps(connection.docker().api)


def any_image(connection: Connection) -> str | None:
    """The id of an image of ours, whichever; None where there is none. Raises HostError when the engine is away."""
    with engine_errors(connection.host):
        found = connection.docker().api.images(filters={"label": f"{KIND}={IMAGE}"})
    return str(found[0]["Id"]) if found else None


def labelled(api: APIClient, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The containers with these labels, whatever state they are in. Raises what the SDK raises."""
    filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
    for _ in range(LISTINGS):
        with suppress(NotFound):  # one was removed while it was listed
            return list(api.containers(all=True, filters=filters))
    return list(api.containers(all=True, filters=filters))


def _containers(api: APIClient, run_id: str | None) -> list[dict[str, Any]]:
    return labelled(api, {KIND: CONTAINER, **({RUN: run_id} if run_id else {})})


def _remove_steps(api: APIClient) -> list[str]:
    """Those of a build that goes on run, but for moments."""
    found = labelled(api, {KIND: STEP})
    return [_remove_container(api, each, "of a build") for each in found if each["State"] != "running"]


def _remove_container(api: APIClient, found: Mapping[str, Any], whose: str | None = None) -> str:
    name = found["Names"][0].lstrip("/") if found.get("Names") else found["Id"][:12]
    whose = whose or f"{found['Labels'].get(CASE)}, run {found['Labels'].get(RUN)}"
    title = f"container {name} ({whose}, {found['State']})"
    try:
        api.remove_container(found["Id"], force=True, v=True)
    except NotFound:
        return f"{title}: gone already"
    except APIError as error:
        return f"{title}: not removed: {explanation(error)}"
    return f"{title}: removed"


def _remove_image(api: APIClient, found: Mapping[str, Any]) -> str:
    name = next(iter(found.get("RepoTags") or []), found["Id"][:19])
    title = f"image {name} ({found['Size'] / 1e6:.0f} MB)"
    try:
        api.remove_image(found["Id"], force=True)
    except NotFound:
        return f"{title}: gone already"
    except APIError as error:
        return f"{title}: not removed: {explanation(error)}"
    return f"{title}: removed"
