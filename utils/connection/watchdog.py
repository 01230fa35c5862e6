"""Watches one SSH login from the host's side: when nobody has been heard of for a while, it ends that login's sshd.

A host is not told that the network was cut: its sshd, and with it all that we started there, would wait for hours. Once sshd has
gone, every command loses its stdin, and ends. An sshd that was stopped (frozen) is woken up to end. This text travels to the
host's own python3 (3.6 or newer, standard library only).
It reads beats from stdin: a byte every BEAT_SECONDS.
"""

import os
import select
import signal
from contextlib import suppress
from pathlib import Path
from typing import Optional, Tuple

BEAT_SECONDS = 3.0
SILENCE_SECONDS = 20.0
SSHD = ("sshd", "sshd-session", "dropbear")


def main() -> None:
    """Read beats until they stop."""
    sshd = session_server()
    os.write(1, b"watching\n")
    while select.select([0], [], [], SILENCE_SECONDS)[0]:
        if not os.read(0, 100):
            return
    if sshd is not None:
        with suppress(OSError):
            os.kill(sshd, signal.SIGTERM)
            os.kill(sshd, signal.SIGCONT)


def session_server() -> Optional[int]:
    """The process id of the sshd that serves this login: the nearest of our ancestors; None where there is none."""
    pid = os.getppid()
    while pid > 1:
        name, pid_above = described(pid)
        if name in SSHD:
            return pid
        pid = pid_above
    return None


def described(pid: int) -> Tuple[str, int]:
    """A process's name and its parent. Source: proc(5)."""
    try:
        with Path("/proc/{}/stat".format(pid)).open("rb") as file:
            head, _, rest = file.read().decode(errors="replace").rpartition(")")
    except OSError:
        return "", 0
    return head.partition("(")[2], int(rest.split()[1])


if __name__ == "__main__":
    main()
