"""Whether /dev/shm has room for the batches that a case's data-loading processes make ahead, as far as its config tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tools.errors import ConfigError
from utils.probe import ask
from utils.runtime.options import parse_options

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.plan import CasePlan, RunPlan

FOLDER = "/dev/shm"  # noqa: S108 - the mount itself, no file in it
DOCKERS_BYTES = 64 * 2**20
"""Without --shm-size. Source: https://docs.docker.com/reference/cli/docker/container/run/"""

BATCHES_AHEAD = 2
"""Of each worker: the default of torch's prefetch_factor."""

ELEMENT_BYTES = 4


def too_small(plan: RunPlan, connection: Connection) -> Iterator[str]:
    """Say for each case that `input_size` tells of whether its batches want more room than there is."""
    wanted = [(case, needed) for case in plan.cases if (needed := needed_bytes(case))]
    room = _room(plan, connection) if wanted else None
    remedy = "set a larger SHM_SIZE" if plan.runtime == "docker" else "make it larger (mount -o remount,size=…)"
    for case, needed in wanted:
        if room is not None and needed > room:
            workers, batch = (case.config[key]["value"] for key in ("num_workers", "batch_size"))
            yield (
                f"{case.name}: num_workers {workers} with batch_size {batch} may need {_mib(needed)} of {FOLDER}, "
                f"where there are {_mib(room)}; {remedy}, or lower num_workers (0 needs none)"
            )


def needed_bytes(case: CasePlan) -> int:
    """What the batches take that are ready or in use at once; 0 where nobody knows, or no process but the guest loads data."""
    workers, batch, elements = (case.config.get(key, {}).get("value") for key in ("num_workers", "batch_size", "input_size"))
    return int((workers * BATCHES_AHEAD + 1) * batch * elements * ELEMENT_BYTES) if workers and elements else 0


def _room(plan: RunPlan, connection: Connection) -> int | None:
    """How many bytes a guest has there; None where the options do not tell."""
    options: dict[str, Any]
    try:
        options = parse_options(plan.container_options, plan.shm_size) if plan.runtime == "docker" else {"ipc_mode": "host"}
    except ConfigError:  # it stands among the problems of the configuration
        return None
    mounted = [*options.get("tmpfs", ()), *(one["Target"] for one in options.get("mounts", ()))]
    mounted += [bind.split(":")[1] for bind in options.get("binds", ()) if ":" in bind]
    if FOLDER in mounted or options.get("ipc_mode") not in (None, "private", "shareable", "host"):
        return None
    if options.get("ipc_mode") == "host":
        free: int | None = ask(connection, room=[FOLDER])["room"].get(FOLDER)
        return free
    return int(options.get("shm_size", DOCKERS_BYTES))


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
