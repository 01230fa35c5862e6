"""Another machine as a host, by paramiko; each command is one SSH session (ssh_pool.py has the logins)."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import paramiko

from utils.connection import supervisor, watchdog
from utils.connection.base import Cancelled, LinkLost
from utils.connection.commands import CommandConnection, Wire
from utils.connection.docker_tunnel import DockerTunnel
from utils.connection.interruptible import Interruptible
from utils.connection.ssh_login import log_in, log_in_again
from utils.connection.ssh_pool import LoginPool
from utils.connection.ssh_target import resolve
from utils.plan import HostTarget

PIECE_BYTES = 65536

ANNOUNCED = f"""
import os, signal, sys
os.write(1, {supervisor.READY!r})
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""`python3 -c ANNOUNCED <command>` is the command, after a mark: a login shell may have printed before. Valid Python 3.6."""


class SshConnection(CommandConnection):
    """Logged in from the start. Raises HostError when that fails, ConfigError for a key or ~/.ssh/config that cannot be used.

    Whoever waits for the host can leave at once: by `cancelled`, and all of them by `close`.
    """

    is_local = False
    python = "python3"

    def __init__(self, target: HostTarget, cancelled: Cancelled | None = None) -> None:
        super().__init__()
        self.host = target.host
        self._waits = Interruptible(self.host)
        login = self._waits.run(lambda: resolve(target), lambda _: None, cancelled)
        self._pool = LoginPool(self.host, self.python, partial(log_in, login), partial(log_in_again, login, self._waits.closed))
        self._tunnel: DockerTunnel | None = None
        self._beating = threading.Thread(target=self._beat, name="ssh-beat", daemon=True)
        self._beating.start()
        try:
            self._log_in(cancelled)
        except BaseException:
            self.close()
            raise

    def _start(self, argv: Sequence[str], cancelled: Cancelled) -> Wire:
        return _SshWire(self._execute(argv, cancelled))

    def _execute(self, argv: Sequence[str], cancelled: Cancelled | None = None) -> paramiko.Channel:
        """Start a program; its arguments are quoted here and nowhere else. Raises HostError."""

        def started() -> paramiko.Channel:
            channel = self._pool.session()
            try:
                channel.exec_command(shlex.join(argv))
            except (paramiko.SSHException, OSError, EOFError) as error:
                channel.close()
                raise LinkLost(f"{self.host}: a command was refused: {error}; is the connection still up?") from error
            return channel

        return self._waits.run(started, paramiko.Channel.close, cancelled)

    def _beat(self) -> None:
        """Tell the watchdogs on the host that we are here."""
        while not self._waits.closed.wait(watchdog.BEAT_SECONDS):
            self._pool.beat()

    def _log_in(self, cancelled: Cancelled | None) -> None:
        self._waits.run(self._pool.reach, lambda _: None, cancelled)

    def reach(self, cancelled: Cancelled | None = None) -> None:
        """See Connection.reach."""
        self._log_in(cancelled)
        super().reach(cancelled)

    def _engine_url(self) -> str | None:
        with self._state:
            self._waits.check_open()
            if self._tunnel is None:
                dial = (self.python, "-ISc", ANNOUNCED, "docker", "system", "dial-stdio")
                self._tunnel = DockerTunnel(lambda: self._execute(dial), supervisor.READY)
            return self._tunnel.url

    def close(self) -> None:
        """See Connection.close."""
        self._waits.close()
        super().close()
        self._pool.close()
        with self._state:
            tunnel = self._tunnel
        if tunnel is not None:
            tunnel.close()
        self._beating.join()


class _SshWire:
    """A session channel. When its stdin ends, or the channel with the connection, the supervisor ends the command."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):  # sendall copies what is left after every packet
            self._channel.sendall(data[start : start + PIECE_BYTES])

    def hang_up(self) -> None:
        with suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def abort(self) -> None:
        self._channel.close()

    def read_stdout(self) -> bytes:
        return self._channel.recv(PIECE_BYTES)

    def read_stderr(self) -> bytes:
        return self._channel.recv_stderr(PIECE_BYTES)

    def wait(self) -> int:
        return self._channel.recv_exit_status()

    def close(self) -> None:
        self._channel.close()
