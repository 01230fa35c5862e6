"""`run.py clean`: on every host, what bears our labels and what a killed run left."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tools.errors import AccelmarkError, CommandError, HostError
from utils.cancel import Cancellation
from utils.connection import connect
from utils.connection.base import QUICK_SECONDS
from utils.connection.patience import Patience
from utils.console import PlainConsole
from utils.guest_command import results_root
from utils.leftovers import end_guests, places_of_runs, remove_tunnels, stays
from utils.lock import Claim, HostLock
from utils.monitoring.supervise import stop_all
from utils.ownership import owner_on
from utils.record import this_start
from utils.runtime.clean import any_image, clean
from utils.runtime.creation import PERMIT
from utils.runtime.labels import CHOWN, container_labels
from utils.runtime.leaving import reclaim
from utils.stdio import complain

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.plan import HostTarget, RunPlan

REMOVE_SECONDS = 600.0
BUSY = "end that, or wait until it has ended; then clean again"
NOT_ENDED = (" not ended: ", ": not stopped: ")
FORBID = """
import glob, os, shutil, sys
for runs in ("run*", ".guest-run*"):
    for path in glob.glob(os.path.join(glob.escape(sys.argv[1]), runs, "*", "*_noderank*", sys.argv[2])):
        shutil.rmtree(path, ignore_errors=True)
"""
"""`python3 -c FORBID <results> <permit>`, Python 3.6: lets no engine make a container any more that a killed run asked for."""
REMOVE = """
import glob, os, shutil, sys
for path in glob.glob(os.path.join(glob.escape(sys.argv[1]), ".guest-run*")):
    if not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        print("stays" if os.path.lexists(path) else "gone", path)
"""
"""`python3 -c REMOVE <results>`, Python 3.6: says of each folder of a killed run whether it is gone now. A link is no run's, and
where it leads nothing is to be given away."""


def clean_hosts(plan: RunPlan, images: bool) -> int:
    """Clear every host and say what went; a host that cannot be reached, or that a living run uses, is said too, and the others
    are still cleared."""
    console = PlainConsole()
    worst = 0
    remove_tunnels()
    for host in plan.hosts:
        try:
            with connect(host) as connection, _lock(connection, host, plan.code_path):
                lines = _clear(connection, plan, images)
        except AccelmarkError as error:
            complain(f"{host.host}: {error}")
            worst = error.exit_code
            continue
        for line in lines or ["nothing to remove"]:
            console.print(f"{host.host}: {line}", markup=False, soft_wrap=True)
    return worst


def _lock(connection: Connection, host: HostTarget, folder: str) -> HostLock:
    """The host's lock: what a living run uses is not cleared from under it."""
    now = this_start()
    claim = Claim(secrets.token_hex(16), "run.py clean", host.host, now.user, now.machine, now.pid, now.began)
    return HostLock(connection, claim, folder, waits=False, cancellation=Cancellation(), told=lambda _: None, remedy=BUSY)


def _clear(connection: Connection, plan: RunPlan, images: bool) -> list[str]:
    """Guests, monitors, containers, folders, and images last, as one may be needed to remove a folder. Raises HostError."""
    root = results_root(plan, connection.is_local)
    lines: list[str] = []
    away: HostError | None = None
    try:
        connection.run([connection.python, "-c", FORBID, root, PERMIT], timeout=QUICK_SECONDS).check()
        ended = [*end_guests(connection, places_of_runs(root)), *stop_all(connection, root)]
        lines += map(_with_verb, dict.fromkeys(ended))
        try:
            lines += clean(connection, images=False)
        except HostError as error:
            away = error
        lines += _remove_folders(connection, root, has_engine=away is None)
    except CommandError as error:
        lines.append(f"{root} was not searched: {error}")
    if away is None:
        return [*lines, *(clean(connection, images=True) if images else [])]
    if plan.runtime == "docker":
        raise away
    return lines


def _with_verb(line: str) -> str:
    """Say of a guest or a monitor that it was ended, where the line does not say why it was not."""
    return line if any(words in line for words in NOT_ENDED) else f"{line}: ended"


def _remove_folders(connection: Connection, root: str, has_engine: bool) -> list[str]:
    """Remove the folders of killed runs, also where a container's root wrote into them; return in words what went and what did
    not. Raises CommandError, HostError."""
    said = _removal(connection, root)
    left = [path for word, path in said if word == "stays"]
    image = any_image(connection) if left and has_engine else None
    if image is not None:
        labels = container_labels("none", CHOWN)
        reclaim(connection, image, owner_on(connection), left, Patience(connection, seconds=0.0), labels)
        said += _removal(connection, root)
    gone = dict.fromkeys(path for word, path in said if word == "gone")
    return [*(f"folder {path}: removed" for path in gone), *(stays(path) for path in left if path not in gone)]


def _removal(connection: Connection, root: str) -> list[tuple[str, str]]:
    done = connection.run([connection.python, "-c", REMOVE, root], timeout=REMOVE_SECONDS).check()
    return [(word, path) for word, _, path in (line.partition(" ") for line in done.stdout.splitlines())]
