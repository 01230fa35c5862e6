"""Another machine as a host, by paramiko; each command is one SSH session, and where sshd allows no more, another login."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress

import paramiko

from tools.errors import HostError
from utils.connection.base import Cancelled
from utils.connection.commands import CommandConnection, Wire
from utils.connection.docker_tunnel import DockerTunnel
from utils.connection.ssh_login import CHANNEL_SECONDS, log_in, log_out, resolve
from utils.plan import HostTarget

MOST_LOGINS = 8
PIECE_BYTES = 65536


class SshConnection(CommandConnection):
    """Logged in from the start. Raises HostError when that fails, ConfigError for a key or ~/.ssh/config that cannot be used."""

    is_local = False
    python = "python3"

    def __init__(self, target: HostTarget, cancelled: Cancelled | None = None) -> None:
        super().__init__()
        self.host = target.host
        self._login = resolve(target)
        self._lock = threading.Lock()
        self._clients: list[paramiko.SSHClient] = [log_in(self._login, cancelled)]
        self._tunnel: DockerTunnel | None = None
        self._closed = False

    def _start(self, argv: Sequence[str]) -> Wire:
        return _SshWire(self._execute(argv))

    def _execute(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a program; its arguments are quoted here and nowhere else. Raises HostError."""
        channel = self._session()
        try:
            channel.exec_command(shlex.join(argv))
        except (paramiko.SSHException, OSError, EOFError) as error:
            channel.close()
            raise HostError(f"{self.host}: a command was refused: {error}; is the connection still up?") from error
        return channel

    def _session(self) -> paramiko.Channel:
        """A new session on the first login that has room for one (sshd's MaxSessions)."""
        with self._lock:
            if self._closed:
                raise HostError(f"{self.host}: the connection is closed")
            for client in self._clients:
                with suppress(paramiko.ChannelException):
                    return self._opened(client)
            if len(self._clients) == MOST_LOGINS:
                raise HostError(f"{self.host}: sshd allows no more sessions; raise its MaxSessions")
            self._clients.append(log_in(self._login))
            return self._opened(self._clients[-1])

    def _opened(self, client: paramiko.SSHClient) -> paramiko.Channel:
        transport = client.get_transport()
        if transport is None or not transport.is_active():
            raise HostError(f"{self.host}: the connection was lost; is the host up?")
        try:
            return transport.open_session(timeout=CHANNEL_SECONDS)
        except paramiko.ChannelException:
            raise
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise HostError(f"{self.host}: the connection was lost: {error}; is the host up?") from error

    def _engine_url(self) -> str | None:
        if self._tunnel is None:
            self._tunnel = DockerTunnel(lambda: self._execute(("docker", "system", "dial-stdio")))
        return self._tunnel.url

    def close(self) -> None:
        """See Connection.close."""
        super().close()
        if self._tunnel is not None:
            self._tunnel.close()
        with self._lock:
            self._closed = True
            for client in self._clients:
                log_out(client)
            self._clients.clear()


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
