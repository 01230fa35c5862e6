"""The machine we are on as a host: the supervisor is a child process, everything else is as over SSH."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from tools.errors import HostError
from utils.connection import supervisor
from utils.connection.base import Cancelled, without_password
from utils.connection.commands import CommandConnection, Wire


class LocalConnection(CommandConnection):
    """Commands on this machine, named `host` in messages and results."""

    is_local = True

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host
        self.python = sys.executable

    def _start(self, argv: Sequence[str], cancelled: Cancelled) -> Wire:  # noqa: ARG002 - nobody waits for it
        try:
            return _LocalWire(argv)
        except OSError as error:
            raise HostError(f"{self.host}: {self.python} cannot be started: {error}") from error

    def _engine_url(self) -> str | None:
        return None


class _LocalWire:
    """A child process in a session of its own, so that Ctrl-C reaches us alone."""

    def __init__(self, argv: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True, env=without_password()
        )
        self._sending = threading.Lock()

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        with self._sending:
            stdin = _open(self._process.stdin)
            while rest and not stdin.closed:
                rest = rest[os.write(stdin.fileno(), rest) :]

    def hang_up(self) -> None:
        with self._sending, suppress(OSError):
            _open(self._process.stdin).close()

    def abort(self) -> None:
        self._process.kill()

    def read_stdout(self) -> bytes:
        return os.read(_open(self._process.stdout).fileno(), 65536)

    def read_stderr(self) -> bytes:
        stderr = _open(self._process.stderr)
        piece = os.read(stderr.fileno(), 65536)
        if not piece:
            stderr.close()
        return piece

    def wait(self) -> int:
        return self._process.wait()

    def close(self) -> None:
        self.hang_up()
        _open(self._process.stdout).close()
        try:
            self._process.wait(supervisor.GRACE_SECONDS + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
