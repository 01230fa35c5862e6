"""A socket before the Docker engine's that holds requests to create a container back, as an engine does that is busy."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

CREATE = b"/containers/create"
PIECE = 65536


class EngineProxy:
    """Passes everything on; a request to create a container is `held` until `let_go`, even when who asked has gone by then.

    `answers` are the status lines of such requests.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self.url = f"unix://{path}"
        self.held, self.answers = threading.Event(), []
        self._engine, self._go = engine, threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def let_go(self) -> None:
        """Pass on what is held, and all that comes."""
        self._go.set()

    def hold(self) -> None:
        """Hold the next one back again."""
        self._go.clear()
        self.held.clear()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(self._engine)
        asked: list[bool] = []
        answers = threading.Thread(target=self._answers, args=(engine, caller, asked), daemon=True)
        answers.start()
        with suppress(OSError):
            while piece := caller.recv(PIECE):
                if CREATE in piece.partition(b"\r\n")[0]:
                    piece += self._hold(caller, piece)
                    asked.append(True)
                engine.sendall(piece)
        if not asked:
            engine.shutdown(socket.SHUT_RDWR)
        answers.join()
        engine.close()
        caller.close()

    def _hold(self, caller: socket.socket, head: bytes) -> bytes:
        """Take the rest of the request before its sender can go, and return it in time."""
        rest = b""
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len((head + rest).partition(b"\r\n\r\n")[2]) < length:
            rest += caller.recv(PIECE)
        self.held.set()
        self._go.wait()
        return rest

    def _answers(self, engine: socket.socket, caller: socket.socket, asked: list[bool]) -> None:
        with suppress(OSError):
            while piece := engine.recv(PIECE):
                if asked:
                    self.answers.append(piece.partition(b"\r\n")[0].decode())
                    asked.clear()
                with suppress(OSError):
                    caller.sendall(piece)
        with suppress(OSError):
            caller.shutdown(socket.SHUT_RDWR)


@contextmanager
def slow_engine() -> Iterator[EngineProxy]:
    """A proxy before this machine's engine."""
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    with TemporaryDirectory(prefix="accelmark-slow-") as folder:  # a socket's name has 107 letters at most
        proxy = EngineProxy(Path(folder) / "docker.sock", engine)
        try:
            yield proxy
        finally:
            proxy.let_go()
            proxy.close()
