"""Reaching a host through another: ProxyCommand and ProxyJump of ~/.ssh/config."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import paramiko

from tools.errors import HostError
from utils.connection.base import without_password
from utils.connection.ssh_stream import SshStream


def proxy_command(options: paramiko.SSHConfigDict, host: str, port: int) -> tuple[str, ...]:
    """The proxy command of ProxyCommand or ProxyJump; OpenSSH's own client makes the jumps."""
    if "proxycommand" in options:
        return tuple(shlex.split(str(options["proxycommand"])))
    jump = str(options.get("proxyjump", "none"))
    if jump == "none":
        return ()
    *first, last = jump.split(",")
    through = ("-J", ",".join(first)) if first else ()
    alive = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=3", "-o", "ServerAliveCountMax=3")
    return ("ssh", *alive, *through, "-W", f"[{host}]:{port}", last if "://" in last else f"ssh://{last}")


class ProxySocket(SshStream):
    """Our end of a proxy command; closing it ends the command. (paramiko's own ProxyCommand spins when the command ends.)"""

    command: subprocess.Popen[bytes]

    def close(self) -> None:
        """Close the socket and end the command."""
        super().close()
        if self.command.poll() is None:
            self.command.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.command.wait(2)
            return
        self.command.kill()
        self.command.wait()


def open_proxy(host: str, command: Sequence[str]) -> ProxySocket:
    """Return a socket that leads through the command to `host`. Raises HostError when it cannot be started."""
    ours, theirs = socket.socketpair()
    stream = ProxySocket(fileno=ours.detach())
    with theirs:
        try:
            end = theirs.fileno()
            stream.command = subprocess.Popen(
                command, stdin=end, stdout=end, stderr=subprocess.DEVNULL, start_new_session=True, env=without_password()
            )
        except OSError as error:
            raise HostError(f"{host}: the ProxyCommand {command[0]} cannot be started: {error.strerror}") from error
    return stream
