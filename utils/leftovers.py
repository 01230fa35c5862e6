"""What a killed run.py leaves behind on a host and here: guests that are still being ended, monitors, temporary files."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from tools.errors import CommandError
from utils.monitoring.supervise import stop_all

if TYPE_CHECKING:
    from utils.connection.base import Connection

GUESTS_SECONDS = 60.0

END_GUESTS = """
import glob, os, signal, sys, time
root = os.path.join(sys.argv[1], "")
run, mine = sys.argv[2:4]
def guests():
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            words = open(folder + "/cmdline", "rb").read().decode("utf-8", "surrogateescape").split("\\0")
            place = words[words.index("--log_dir") + 1]
            here = os.readlink(folder + "/ns/pid") == os.readlink("/proc/self/ns/pid")
            ours = place.startswith((root + "run", root + ".guest-run"))  # not one that somebody started by hand
            if {run, ".guest-" + run} & set(place.split("/")) and os.path.basename(place) != mine:
                continue  # this run's own, begun a moment ago under another name of this host
            if here and ours and any(word.endswith("run_inference.py") for word in words[:3]):
                yield int(folder[6:]), place
        except (OSError, ValueError, IndexError):
            pass
for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
    found = list(guests())
    for pid, place in found:
        print("guest", pid, "of", place, flush=True)
        try:
            os.killpg(os.getpgid(pid), number)
        except OSError as error:
            print("guest", pid, "not ended:", error, flush=True)
    until = time.time() + patience
    while found and time.time() < until and any(guests()):
        time.sleep(0.05)
"""
"""`python3 -c END_GUESTS <results> <run> <host>_noderank<rank>`, Python 3.6: ends the guests of runs below a folder and waits for
their end; of this run, only the host's own. Those in a container, which have a process namespace of their own, are not meant."""


def stays(path: str) -> str:
    """What to say of something on a host that this user may not remove."""
    return f"{path} stays there, as files in it belong to root; `sudo rm -rf {shlex.quote(path)}` removes it"


def end_guests(connection: Connection, root: str, run: str, mine: str) -> None:
    """End the guests that a killed run left below `root` on a host without a container around them; of the run itself only those
    in a folder called `mine`. Raises HostError."""
    try:
        done = connection.run([connection.python, "-c", END_GUESTS, root, run, mine], timeout=GUESTS_SECONDS).check()
        for line in done.stdout.splitlines():
            logger.warning("{}: left by a killed run and ended: {}", connection.host, line)
    except CommandError as error:
        logger.warning("{}: guests of killed runs were not looked for: {}", connection.host, error)


def stop_monitors(connection: Connection, folder: str, *spared: str) -> None:
    """Stop the monitors that write below a folder of a host, but for `spared` (see stop_all). Raises HostError."""
    try:
        for line in stop_all(connection, folder, *spared):
            logger.warning("{}: left by a killed run and stopped: {}", connection.host, line)
    except CommandError as error:
        logger.warning("{}: monitors below {} were not looked for: {}", connection.host, folder, error)


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
