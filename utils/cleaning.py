"""`run.py clean`: on every host, what bears our labels and what a killed run left."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from tools.errors import AccelmarkError, CommandError, HostError
from utils.cancel import Cancellation
from utils.connection import connect
from utils.leftovers import remove_tunnels
from utils.lock import Claim, HostLock
from utils.monitoring.supervise import stop_all
from utils.record import this_start
from utils.runtime.clean import clean

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.plan import HostTarget, RunPlan

REMOVE = """
import glob, os, shutil, sys
for path in glob.glob(os.path.join(glob.escape(sys.argv[1]), ".guest-run*")):
    shutil.rmtree(path)
    print(path)
"""


def clean_hosts(plan: RunPlan, images: bool) -> int:
    """Clear every host and say what went; a host that cannot be reached, or that a living run uses, is said too, and the others
    are still cleared."""
    console = Console(highlight=False)
    worst = 0
    remove_tunnels()
    for host in plan.hosts:
        try:
            with connect(host) as connection, _lock(connection, host):
                lines = _clear(connection, plan, images)
        except AccelmarkError as error:
            print(f"run.py: {host.host}: {error}", file=sys.stderr)  # noqa: T201
            worst = error.exit_code
            continue
        for line in lines or ["nothing to remove"]:
            console.print(f"{host.host}: {line}", markup=False, soft_wrap=True)
    return worst


def _lock(connection: Connection, host: HostTarget) -> HostLock:
    """The host's lock: what a living run uses is not cleared from under it."""
    now = this_start()
    claim = Claim(secrets.token_hex(16), "run.py clean", host.host, now.user, now.machine, now.pid, now.began)
    return HostLock(connection, claim, waits=False, cancellation=Cancellation(), told=lambda _: None)


def _clear(connection: Connection, plan: RunPlan, images: bool) -> list[str]:
    root = str(plan.results) if connection.is_local else f"{plan.code_path}/{plan.log_path}"
    lines = []
    try:
        lines += stop_all(connection, root)
        left = connection.run([connection.python, "-c", REMOVE, root], timeout=60).check()
        lines += [f"folder {path}" for path in left.stdout.splitlines()]
    except CommandError as error:
        lines.append(f"{root} was not searched: {error}")
    try:
        lines += clean(connection, images)
    except HostError:
        if plan.runtime == "docker":
            raise
    return lines
