"""Starts what tests need to have running, and clears all of it away once the process of the tests ends, however that ends.

Usage: guardian.py OWNER, started by that process, with requests on stdin, one JSON object a line, each answered by a line:
{"start": [...], "log": FILE, "environment": {...}} -> {"pid": ...}, or {"error": ...}; {"afterwards": [...]} for a command that
removes what no process holds, such as a bridge or a folder.

What a service starts stays below the guardian even when it goes to the background, since that is a child subreaper: see prctl(2).
What the tests start themselves is known by a variable in its environment, which all of that inherits.
Ctrl-C in a terminal does not reach the guardian, as it is in a session of its own.
"""

import ctypes
import json
import os
import select
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

MARK = "ACCELMARK_TESTS"
PR_SET_CHILD_SUBREAPER = 36
COMMAND_SECONDS = 60


class Guardian:
    def __init__(self):
        self._commands = []

    def answer(self, request):
        match request:
            case {"start": argv, "log": log, "environment": environment}:
                return {"pid": started(argv, log, environment)}
            case {"afterwards": argv}:
                self._commands.append(argv)
        return {}

    def clear(self, mark):
        """Kill all that is below us or bears the mark, then undo in reverse order."""
        end_children()
        while processes := marked(mark):
            end(processes)
        for argv in reversed(self._commands):
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(argv, check=False, capture_output=True, timeout=COMMAND_SECONDS)


def started(argv, log, environment):
    opened = (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), opened, (os.POSIX_SPAWN_DUP2, 1, 2)]
    return os.posix_spawnp(argv[0], argv, environment, file_actions=files, setsigdef=[signal.SIGCHLD])


def end_children():
    """Kill the children; what they leave behind becomes ours, so go on until there is none."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while True:
        pids = children.read_text().split()  # one may be missed while another ends
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, 0 if pids else os.WNOHANG)
        except ChildProcessError:
            return


def marked(mark):
    """Handles of the other processes that have inherited the mark."""
    handles = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        pid = int(environment.parent.name)
        with suppress(OSError):  # it has just ended
            handle = os.pidfd_open(pid)
            if pid != os.getpid() and mark in environment.read_bytes():
                handles.append(handle)
            else:
                os.close(handle)
    return handles


def end(processes):
    for process in processes:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [])
        os.close(process)


def serve(owner, guardian):
    """Answer requests until the owner has ended, or closes its end."""
    process = os.pidfd_open(owner)
    if os.getppid() != owner:  # it ended before, and the number may be somebody else's
        return
    with selectors.DefaultSelector() as selector:
        selector.register(process, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            if any(key.fileobj == process for key, _ in selector.select()):
                return
            line = sys.stdin.readline()
            if not line:
                return
            print(json.dumps(answered(guardian, json.loads(line))), flush=True)


def answered(guardian, request):
    try:
        return guardian.answer(request)
    except OSError as error:
        return {"error": str(error)}


def main(owner):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    guardian = Guardian()
    try:
        serve(owner, guardian)
    finally:
        guardian.clear(f"{MARK}={os.environ[MARK]}".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
