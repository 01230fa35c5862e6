"""Runs in a container: keeps one command there, its output and its status in files, whatever becomes of who asked for it.

Usage: keeper.py REQUEST, which is JSON: argv, folder, token, guest, timeout. It ends as soon as the command runs; what it leaves
in the background writes OUTPUT and STATE into `folder`, and holds a lock on OUTPUT while it lives. A request whose token is
there already is not run again. Standard library only, Python 3.8.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Dict, List

OUTPUT, STATE = ".command.out", ".command.json"
RESERVED = 1024
"""STATE has this many bytes from the start, so that a disk that fills up later has room for the status."""

MOST_BYTES = 2**30
"""A guest that never stops printing must not fill the disk for everybody's results."""

NOT_RUNNABLE, NOT_FOUND, TIMED_OUT = 126, 127, 124
DAEMON_SECONDS = 0.5


class Output:
    """The file of a command's output. The first piece that a full disk refuses, or that is beyond MOST_BYTES, is the last one
    tried; the command goes on."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.ftruncate(self._descriptor, 0)
        os.fchmod(self._descriptor, 0o644)
        self.problem = ""
        self._room = MOST_BYTES

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        rest = memoryview(piece)
        self._room -= len(piece)
        if self._room < 0:
            self.problem = self.problem or "it would have more than {:,} bytes".format(MOST_BYTES)
        try:
            while rest and not self.problem:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.problem = str(error.strerror)


class State:
    """What is known of the command, rewritten in place."""

    def __init__(self, path: Path, request: Dict[str, Any]) -> None:
        self._descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT, 0o644)
        os.fchmod(self._descriptor, 0o644)
        os.ftruncate(self._descriptor, 0)
        self._known = {"token": request["token"], "guest": request["guest"], "started": time.time()}
        self.update()

    def update(self, **more: Any) -> None:
        """Say more. Raises OSError for a full disk, at the first time only."""
        self._known.update(more)
        os.pwrite(self._descriptor, json.dumps(self._known).encode().ljust(RESERVED), 0)
        os.fsync(self._descriptor)


def main() -> int:
    """Leave the command in the background and return once it runs there; what went wrong is printed."""
    request = json.loads(sys.argv[1])
    if known_token(Path(request["folder"], STATE)) == request["token"]:
        return 0
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        background(request, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answers:
        answer = answers.read()
    print(answer, end="")  # noqa: T201
    return 1 if answer else 0


def known_token(path: Path) -> Any:
    """The token of the command whose state lies there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["token"]
    except (OSError, ValueError, KeyError):
        return None


def background(request: Dict[str, Any], answer: int) -> None:
    """Be the keeper: in a session of its own, without the caller's files. Says why, should it not get so far."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    folder = Path(request["folder"])
    try:
        output = Output(folder / OUTPUT)
        state = State(folder / STATE, request)
    except OSError as error:
        os.write(answer, str(error).encode())
        os._exit(1)
    os.close(answer)
    status = kept(request["argv"], request["timeout"], output)
    state.update(status=status, output_problem=output.problem)
    os._exit(0)


def kept(argv: List[str], timeout: float, output: Output) -> int:
    """Run the command to its end and return its status, as a shell counts it."""
    try:
        command = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, start_new_session=True
        )
    except OSError as error:
        output.write("{}\n".format(error).encode())
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
    assert command.stdout is not None
    relay = threading.Thread(target=pass_on, args=(command.stdout, output), daemon=True)
    relay.start()
    try:
        status = command.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        command.wait()
        status = TIMED_OUT
    relay.join(DAEMON_SECONDS)  # a daemon that holds the pipe open is not waited for
    return 128 - status if status < 0 else status


def pass_on(source: IO[bytes], output: Output) -> None:
    """Carry the command's output to the file."""
    while True:
        piece = os.read(source.fileno(), 65536)
        if not piece:
            return
        output.write(piece)


if __name__ == "__main__":
    sys.exit(main())
