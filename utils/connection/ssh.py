"""Another machine as a host, by paramiko; each command is one SSH session, and where sshd allows no more, another login."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import paramiko

from tools.errors import HostError
from utils.connection import watchdog
from utils.connection.base import Cancelled, LinkLost
from utils.connection.commands import CommandConnection, Wire
from utils.connection.docker_tunnel import DockerTunnel
from utils.connection.ssh_login import CHANNEL_SECONDS, LOG_OUT_SECONDS, log_in, log_in_again, log_out, resolve
from utils.plan import HostTarget

MOST_LOGINS = 16
PIECE_BYTES = 65536
ASK_SECONDS = 2.0
WATCHDOG = Path(watchdog.__file__).read_text(encoding="utf-8")


class SshConnection(CommandConnection):
    """Logged in from the start. Raises HostError when that fails, ConfigError for a key or ~/.ssh/config that cannot be used."""

    is_local = False
    python = "python3"

    def __init__(self, target: HostTarget, cancelled: Cancelled | None = None) -> None:
        super().__init__()
        self.host = target.host
        self._login = resolve(target)
        self._lock = threading.Lock()
        self._logins: list[_Login] = [_Login(log_in(self._login, cancelled))]
        self._tunnel: DockerTunnel | None = None
        self._closed = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="ssh-beat", daemon=True)
        self._beating.start()

    def _start(self, argv: Sequence[str]) -> Wire:
        return _SshWire(self._execute(argv))

    def _execute(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a program; its arguments are quoted here and nowhere else. Raises HostError."""
        channel = self._session()
        try:
            channel.exec_command(shlex.join(argv))
        except (paramiko.SSHException, OSError, EOFError) as error:
            channel.close()
            raise LinkLost(f"{self.host}: a command was refused: {error}; is the connection still up?") from error
        return channel

    def _session(self) -> paramiko.Channel:
        """A new session on the first login that has room for one (sshd's MaxSessions)."""
        with self._lock:
            self._check_open()
            self._forget_the_lost()
            if not self._logins:
                raise LinkLost(f"{self.host}: the connection was lost; is the host up?")
            for login in self._logins:
                with suppress(paramiko.ChannelException):
                    return self._opened(login)
            if len(self._logins) == MOST_LOGINS:
                raise HostError(f"{self.host}: sshd allows no more sessions; raise its MaxSessions")
            self._logins.append(_Login(log_in_again(self._login)))
            try:
                return self._opened(self._logins[-1])
            except paramiko.ChannelException as error:
                raise HostError(f"{self.host}: sshd allows no session at all ({error}); raise its MaxSessions") from error

    def _opened(self, login: _Login) -> paramiko.Channel:
        try:
            channel = login.session()
        except paramiko.ChannelException:
            raise
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LinkLost(f"{self.host}: the connection was lost: {error}; is the host up?") from error
        login.watch((self.python, "-ISc", WATCHDOG))
        return channel

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise HostError(f"{self.host}: the connection is closed")

    def _forget_the_lost(self) -> None:
        for login in [login for login in self._logins if not login.lives]:
            self._logins.remove(login)
            login.end()

    def _beat(self) -> None:
        """Tell the watchdogs on the host that we are here."""
        while not self._closed.wait(watchdog.BEAT_SECONDS):
            for login in tuple(self._logins):
                login.beat()

    def reach(self, cancelled: Cancelled | None = None) -> None:
        """See Connection.reach."""
        with self._lock:
            self._check_open()
            self._forget_the_lost()
            if not self._logins:
                self._logins.append(_Login(log_in(self._login, cancelled)))
        super().reach(cancelled)

    def _engine_url(self) -> str | None:
        if self._tunnel is None:
            self._tunnel = DockerTunnel(lambda: self._execute(("docker", "system", "dial-stdio")))
        return self._tunnel.url

    def close(self) -> None:
        """See Connection.close."""
        super().close()
        if self._tunnel is not None:
            self._tunnel.close()
        self._closed.set()
        with self._lock:
            for login in self._logins:
                login.end()
            self._logins.clear()
        self._beating.join()


class _Login:
    """One login. As nobody is told of a cut link, each end watches the other: we by the answers that `_ask` has it give, whose
    absence ssh_stream.py notices; the host, once there was a session, by a watchdog that ends the login there (watchdog.py)."""

    def __init__(self, client: paramiko.SSHClient) -> None:
        transport = client.get_transport()
        assert transport is not None
        self._client, self._transport = client, transport
        self._watch: paramiko.Channel | None = None
        self._watched = False
        self._ended = threading.Event()
        self._asking = threading.Thread(target=self._ask, name="ssh-ask", daemon=True)
        self._asking.start()

    @property
    def lives(self) -> bool:
        return self._transport.is_active()

    def session(self) -> paramiko.Channel:
        return self._transport.open_session(timeout=CHANNEL_SECONDS)

    def watch(self, argv: Sequence[str]) -> None:
        """Start the watchdog, once, and where sshd has room for it: without it things go as well, as long as no link is cut."""
        if self._watched:
            return
        self._watched = True
        with suppress(paramiko.SSHException, OSError, EOFError):
            watch = self.session()
            watch.exec_command(shlex.join(argv))
            self._watch = watch

    def beat(self) -> None:
        if self._watch is not None:
            with suppress(OSError, EOFError):
                self._watch.sendall(b".")

    def end(self) -> None:
        """Log out, and wait for our thread."""
        self._ended.set()
        log_out(self._client)
        self._asking.join(LOG_OUT_SECONDS)

    def _ask(self) -> None:
        """Have the host say that it is there: RFC 4254 (4) wants an answer to any request.

        It is waited for until it comes or the link ends. That is long where much is on its way, so this thread does nothing else.
        """
        with suppress(paramiko.SSHException, OSError, EOFError):
            while self.lives and not self._ended.wait(ASK_SECONDS):
                self._transport.global_request("keepalive@openssh.com")


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
