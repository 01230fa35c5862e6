"""What a killed run.py leaves behind on a host and here: guests that are still being ended, monitors, temporary files."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from loguru import logger

from tools.errors import CommandError
from utils.guest_command import host_folder, results_root, run_folder
from utils.monitoring.supervise import stop_all

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.plan import HostTarget, RunPlan

GUESTS_SECONDS = 60.0

END_GUESTS = """
import glob, os, signal, sys, time
run, mine, *places = sys.argv[1:]
def guests():
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            words = open(folder + "/cmdline", "rb").read().decode("utf-8", "surrogateescape").split("\\0")
            place = words[words.index("--log_dir") + 1]
            here = os.readlink(folder + "/ns/pid") == os.readlink("/proc/self/ns/pid")
            ours = place.startswith(tuple(places))  # not one that somebody started by hand
            if run and {run, ".guest-" + run} & set(place.split("/")) and os.path.basename(place) != mine:
                continue  # this run's own, begun a moment ago under another name of this host
            if here and ours and any(word.endswith("run_inference.py") for word in words[:3]):
                yield int(folder[6:]), place
        except (OSError, ValueError, IndexError):
            pass
for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
    found = list(guests())
    for pid, place in found:
        try:
            os.killpg(os.getpgid(pid), number)
            print("guest", pid, "of", place, flush=True)
        except ProcessLookupError:
            pass
        except OSError as error:
            print("guest", pid, "not ended:", error, flush=True)
    until = time.time() + patience
    while found and time.time() < until and any(guests()):
        time.sleep(0.05)
"""
"""`python3 -c END_GUESTS <run> <host>_noderank<rank> <place> …`, Python 3.6: ends the guests of runs whose folders begin with one
of the places and waits for their end; of this run, only the host's own. Those in a container, which have a process namespace of
their own, are not meant."""


def stays(path: str) -> str:
    """What to say of something on a host that this user may not remove."""
    return f"{path} stays there, as files in it belong to root; `sudo rm -rf {shlex.quote(path)}` removes it"


def end_guests(connection: Connection, places: Sequence[str], run: str = "", mine: str = "") -> list[str]:
    """End the guests that run on a host without a container around them, with folders that begin with one of `places`; of `run`
    only those in a folder called `mine`. Return them in words. Raises HostError."""
    try:
        argv = [connection.python, "-c", END_GUESTS, run, mine, *places]
        return connection.run(argv, timeout=GUESTS_SECONDS).check().stdout.splitlines()
    except CommandError as error:
        logger.warning("{}: guests that were left were not looked for: {}", connection.host, error)
        return []


def places_of_runs(root: str) -> tuple[str, str]:
    """How the folders of all runs below a host's folder for results begin."""
    return str(PurePosixPath(root, "run")), str(PurePosixPath(root, ".guest-run"))


def clear_processes(connection: Connection, plan: RunPlan, host: HostTarget, spares_monitors: bool = False) -> None:
    """End what runs have left on a host that is ours now, guests and monitors; what this run has begun under another name of the
    same machine goes on. Raises HostError."""
    root, mine = results_root(plan, connection.is_local), (plan.run_id, host_folder(host))
    _say(connection, end_guests(connection, places_of_runs(root), *mine))
    if not spares_monitors:
        stop_monitors(connection, root, *mine)


def clear_own_processes(connection: Connection, plan: RunPlan, host: HostTarget) -> None:
    """End what this very run has left on one of its hosts. Raises HostError."""
    folder, mine = run_folder(plan, connection.is_local), (plan.run_id, host_folder(host))
    _say(connection, end_guests(connection, (f"{folder}/",), *mine))
    stop_monitors(connection, folder, *mine)


def stop_monitors(connection: Connection, folder: str, *spared: str) -> None:
    """Stop the monitors that write below a folder of a host, but for `spared` (see stop_all). Raises HostError."""
    try:
        _say(connection, stop_all(connection, folder, *spared))
    except CommandError as error:
        logger.warning("{}: monitors below {} were not looked for: {}", connection.host, folder, error)


def _say(connection: Connection, ended: Sequence[str]) -> None:
    for line in ended:
        logger.warning("{}: left by a run and ended: {}", connection.host, line)


def remove_temporaries(run: Path) -> None:
    """Remove the temporary files of a run's own start that was killed: in its folder, beside it, and those of any killed run in
    this machine's TMPDIR.

    Only where no guest can write, so that no name in there was chosen by one.
    """
    for path in [*run.glob(".*"), *run.glob("*:*/.*"), *_dead_links(run.parent)]:
        with suppress(OSError):
            path.unlink()
    remove_tunnels()


def remove_tunnels() -> None:
    """Remove the ways to other hosts' engines that killed runs left in this machine's TMPDIR."""
    for folder in Path(tempfile.gettempdir()).glob("accelmark-*"):
        if _is_dead_tunnel(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _dead_links(results: Path) -> list[Path]:
    """What was to become `latest`, of processes that have ended."""
    return [path for path in results.glob(".latest.*") if not Path(f"/proc/{path.suffix[1:]}").exists()]


def _is_dead_tunnel(folder: Path) -> bool:
    """Whether this is a way to another host's Docker engine at which nobody listens any more (see DockerTunnel)."""
    try:
        if folder.lstat().st_uid != os.getuid() or [path.name for path in folder.iterdir()] != ["docker.sock"]:
            return False
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(folder / "docker.sock"))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
