"""A local unix socket that leads to another host's Docker engine, for Docker's SDK, which knows nothing of our connections."""

from __future__ import annotations

import json
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import HostError
from utils.connection.base import LinkLost
from utils.connection.output import AfterMark

if TYPE_CHECKING:
    import paramiko

PIECE = 65536
REFUSED = 502
"""The status of an answer that is not the engine's, which never gives this one."""

REFUSAL = "HTTP/1.1 {} No Session\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"


class DockerTunnel:
    """Relays each connection to the socket over a channel of its own (`docker system dial-stdio` on the host).

    `mark` is what comes before the engine's first answer, and after whatever a login shell prints.
    The socket lies in a folder that only this user can enter. All threads block; none polls.
    """

    def __init__(self, dial: Callable[[], paramiko.Channel], mark: bytes) -> None:
        self._dial, self._mark = dial, mark
        self._folder = Path(tempfile.mkdtemp(prefix="accelmark-"))
        self._listener = socket.socket(socket.AF_UNIX)
        made = self._folder / "new.sock"
        self._listener.bind(str(made))
        self._listener.listen()
        made.rename(self._folder / "docker.sock")  # with that name and no listener it would be a killed run's, for any other run
        self._relays: set[_Relay] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, name="docker-tunnel", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The engine's address for the SDK."""
        return f"unix://{self._folder / 'docker.sock'}"

    def close(self) -> None:
        """End every relay and thread, and remove the socket; safe to call twice."""
        self._closing = True
        with suppress(OSError), socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self._folder / "docker.sock"))
        self._thread.join()
        self._listener.close()
        for relay in tuple(self._relays):
            relay.end()
        for relay in tuple(self._relays):
            relay.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            stream, _ = self._listener.accept()
            if self._closing:
                stream.close()
                return
            relay = _Relay(stream, self._dial, self._mark, self._relays)
            self._relays.add(relay)
            relay.start()


class _Relay(threading.Thread):
    """One connection: this thread carries the engine's answers, a second one the requests."""

    def __init__(self, stream: socket.socket, dial: Callable[[], paramiko.Channel], mark: bytes, relays: set[_Relay]) -> None:
        super().__init__(name="docker-relay", daemon=True)
        self._stream = stream
        self._dial, self._answer = dial, AfterMark(mark, stream.sendall)
        self._relays = relays
        self._channel: paramiko.Channel | None = None

    def run(self) -> None:
        with self._stream, suppress(LinkLost):  # the SDK sees a connection that ends without an answer
            try:
                self._channel = self._dial()
            except LinkLost:
                raise
            except HostError as error:
                self._refuse(str(error))
            else:
                self._carry(self._channel)
        self._relays.discard(self)

    def _carry(self, channel: paramiko.Channel) -> None:
        requests = threading.Thread(target=self._requests, args=(channel,), name="docker-requests", daemon=True)
        requests.start()
        self._answers(channel)
        self.end()
        requests.join()

    def _refuse(self, why: str) -> None:
        """Answer the request ourselves: the host lives, but sshd gives us no session for it."""
        body = json.dumps({"message": why}).encode()
        with suppress(OSError):
            self._stream.recv(PIECE)
            self._stream.sendall(REFUSAL.format(REFUSED, len(body)).encode() + body)
            self._stream.shutdown(socket.SHUT_WR)
            while self._stream.recv(PIECE):
                pass  # the rest of the request: who sends it would not read an answer before that

    def end(self) -> None:
        """Cut the connection on both sides, from any thread."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        if self._channel is not None:
            self._channel.close()

    def _answers(self, channel: paramiko.Channel) -> None:
        with suppress(OSError, EOFError):
            while piece := channel.recv(PIECE):
                self._answer.feed(piece)

    def _requests(self, channel: paramiko.Channel) -> None:
        """Carry requests until the SDK ends its side; if it only ended its own half, the answers go on."""
        with suppress(OSError, EOFError):
            while piece := self._stream.recv(PIECE):
                channel.sendall(piece)
            if _hung_up(self._stream):
                channel.close()
            else:
                channel.shutdown_write()


def _hung_up(stream: socket.socket) -> bool:
    """Whether the peer has closed its socket altogether, not only ended its half."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
