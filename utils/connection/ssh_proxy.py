"""Reaching a host through another: ProxyCommand and ProxyJump of ~/.ssh/config."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from tools.errors import HostError
from utils.connection.base import without_password
from utils.connection.ssh_stream import SshStream


class ProxySocket(SshStream):
    """Our end of a proxy command; closing it ends the command. (paramiko's own ProxyCommand spins when the command ends.)"""

    command: subprocess.Popen[bytes]

    def close(self) -> None:
        """Close the socket and end the command."""
        super().close()
        if self.command.returncode is not None:
            return  # its number may be another's by now
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.command.wait(2)
        self._signal(signal.SIGKILL)
        self.command.wait()

    def _signal(self, number: int) -> None:
        """Reach the command and all that its shell began."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.command.pid, number)


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
