"""What tests have running beside them: nothing of it outlives the process of the tests, however that ends (guardian.py)."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from guardian import MARK

CLEAR_SECONDS = 120


class Service:
    """A running process that the guardian has started for us."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle: int | None = None
        with suppress(ProcessLookupError):  # it has ended already
            self._handle = os.pidfd_open(pid)
            weakref.finalize(self, os.close, self._handle)

    @property
    def running(self) -> bool:
        return self._handle is not None and not select.select([self._handle], [], [], 0)[0]

    def wait(self, seconds: float = CLEAR_SECONDS) -> None:
        """Return when it has ended; raises TimeoutError."""
        if self._handle is not None and not select.select([self._handle], [], [], seconds)[0]:
            raise TimeoutError(f"process {self.pid} did not end within {seconds:g} s")

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        with suppress(ProcessLookupError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(command: Sequence[str | Path], log: Path) -> Service:
    """Start a command whose output goes to the end of a file; it has our environment. Raises OSError when it cannot be."""
    argv = [str(word) for word in command]
    answer = _guardian().ask({"start": argv, "log": str(log), "environment": dict(os.environ)})
    if "error" in answer:
        raise OSError(f"{argv[0]} cannot be started with its output in {log}: {answer['error']}")
    return Service(answer["pid"])


def guard() -> None:
    """Have all that we start from now on end with us, also what is started without this module."""
    _guardian()


def afterwards(*command: str | Path) -> None:
    """Have a command run when we have ended and all services too; the last one first. What it is to remove may be gone."""
    _guardian().ask({"afterwards": [str(word) for word in command]})


def cgroups_removed_afterwards(name: str) -> None:
    """For an engine with a --cgroup-parent whose name begins like that."""
    afterwards("find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*/{name}*", "-exec", "rmdir", "{}", ";")


class _Guardian:
    def __init__(self) -> None:
        os.environ[MARK] = secrets.token_hex(16)
        command = [sys.executable, Path(__file__).with_name("guardian.py"), str(os.getpid())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._lock = threading.Lock()
        atexit.register(self._end)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def _end(self) -> None:
        """At an orderly end, be back only when all is cleared away."""
        self._process.stdin.close()
        self._process.wait(CLEAR_SECONDS)


@cache
def _guardian() -> _Guardian:
    return _Guardian()
