"""What every connection does alike once it can start a program on its host: commands, trees of files, Docker's engine."""

from __future__ import annotations

import json
import shlex
import tarfile
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from loguru import logger

from tools.errors import CommandTimeout, HostError
from utils.cancel import Cancellation
from utils.connection import supervisor, trees
from utils.connection.base import INSTALL_PYTHON, Cancelled, Completed, LinkLost
from utils.connection.output import AfterMark, Lines, Tail
from utils.plain_text import plain

if TYPE_CHECKING:
    from docker import DockerClient
    from typing_extensions import Self

TREE_SECONDS = 1800.0
REACH_SECONDS = 20.0
PATIENCE_SECONDS = supervisor.GRACE_SECONDS + 20.0
SUPERVISOR = Path(supervisor.__file__).read_bytes()

Sink = Callable[[bytes], object]


class Wire(Protocol):
    """A started program on the host: its three streams and its end."""

    def send(self, data: bytes) -> None:
        """Write to its stdin. Raises OSError when it does not listen any more."""

    def hang_up(self) -> None:
        """End its stdin, from any thread."""

    def abort(self) -> None:
        """Make whoever reads from it come back, from any thread."""

    def read_stdout(self) -> bytes:
        """The next piece; empty at the end."""

    def read_stderr(self) -> bytes:
        """The next piece; empty at the end."""

    def wait(self) -> int:
        """Its exit status; negative when it has none."""

    def close(self) -> None:
        """Give everything back; a program that still runs is hung up on."""


@dataclass(frozen=True)
class Request:
    """What the supervisor is asked for; `stdin` is the number of bytes that follow."""

    argv: Sequence[str]
    timeout: float
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    merge: bool = False
    stdin: int = 0

    def line(self) -> bytes:
        """The request as the supervisor reads it."""
        return json.dumps({**asdict(self), "env": dict(self.env or {})}).encode() + b"\n"


class CommandConnection(ABC):
    """A connection that runs every command below `supervisor.py`; a subclass starts that on its host."""

    host: str
    is_local: bool
    python: str

    def __init__(self) -> None:
        self._wires: set[Wire] = set()
        self._engine: DockerClient | None = None
        self._state = threading.Lock()
        """Guards what is open, and is never held while the host or its engine is waited for."""
        self._closed = False

    @abstractmethod
    def _start(self, argv: Sequence[str], cancelled: Cancelled) -> Wire:
        """Start a program on the host; `cancelled` receives what ends the waiting for that.

        Raises HostError when the host cannot be reached, or was not waited for.
        """

    @abstractmethod
    def _engine_url(self) -> str | None:
        """Where the host's Docker engine answers; None for where this machine's environment says."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        cancelled: Cancelled | None = None,
    ) -> Completed:
        """See Connection.run."""
        words = tuple(map(str, argv))
        request = Request(words, timeout, cwd, env, merge=on_line is not None, stdin=len(stdin))
        errors = Tail()
        if on_line is None:
            text = Tail()
            status = self._converse(request, stdin, text.feed, errors, cancelled)
            return Completed(words, status, text.text(), plain(errors.text()))
        lines = Lines(on_line)
        status = self._converse(request, stdin, lines.feed, errors, cancelled)
        lines.finish()
        return Completed(words, status, lines.text(), plain(errors.text()))

    def put_tree(self, root: Path, names: Sequence[str], target: str, cancelled: Cancelled | None = None) -> None:
        """See Connection.put_tree."""
        for archive in trees.packed(root, names):
            argv = (self.python, "-c", trees.UNPACK, target)
            done = self.run(argv, timeout=TREE_SECONDS, stdin=archive, cancelled=cancelled)
            if done.status != 0:
                said = (done.stderr.strip().splitlines() or [f"exit {done.status}"])[-1]
                raise HostError(
                    f"{self.host}: nothing can be written to {target}: {said}; make room there, or choose another folder"
                )

    def get_tree(self, source: str, target: Path) -> list[str]:
        """See Connection.get_tree.

        Raises CommandError when the host cannot read `source`, HostError for an archive that no honest host sends.
        """
        argv = trees.pack_command(self.python, source)
        left_out = Tail()
        with tempfile.TemporaryFile() as archive:
            try:
                status = self._converse(Request(argv, TREE_SECONDS), b"", trees.Received(archive).feed, left_out, None)
                remarks = plain(left_out.text())
                Completed((*argv[:2], "pack", source), status, "", remarks).check()
                archive.seek(0)
                trees.unpack(archive, target)
            except (ValueError, tarfile.TarError) as error:
                raise HostError(f"{self.host}: the copy of {source} is refused: {error}") from error
        for line in remarks.splitlines():
            logger.warning("{}: not copied from {}: {}", self.host, source, line)
        return [f"not copied from {self.host}: {line}" for line in remarks.splitlines()]

    def docker(self) -> DockerClient:
        """See Connection.docker."""
        from utils.connection.engine import open_engine  # noqa: PLC0415 - Docker's SDK takes 0.3 s to import

        with self._state:
            engine = self._engine
        return engine or self._kept(open_engine(self, self._engine_url()))

    def _kept(self, opened: DockerClient) -> DockerClient:
        """The engine's one client: `opened`, unless another thread was faster."""
        with self._state:
            if self._engine is None and not self._closed:
                self._engine = opened
            engine = self._engine
        if engine is not opened:
            opened.close()
        if engine is None:
            raise HostError(f"{self.host}: the connection is closed")
        return engine

    def reach(self, cancelled: Cancelled | None = None) -> None:
        """See Connection.reach."""
        self.run(("true",), timeout=REACH_SECONDS, cancelled=cancelled)

    def reach_engine(self) -> None:
        """See Connection.reach_engine."""
        from utils.connection.engine import check_answers  # noqa: PLC0415 - Docker's SDK takes 0.3 s to import

        check_answers(self.docker(), self.host)

    def close(self) -> None:
        """See Connection.close."""
        with self._state:
            self._closed = True
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
        for wire in tuple(self._wires):
            wire.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _converse(self, request: Request, stdin: bytes, on_stdout: Sink, errors: Tail, cancelled: Cancelled | None) -> int:
        """Run one request below the supervisor, which keeps the deadline; ours, somewhat later, is for a host that hangs."""
        started = time.monotonic()
        ending = Cancellation()
        if cancelled is not None:
            cancelled(ending.cancel)
        argv = (self.python, "-ISc", f"import sys; exec(sys.stdin.buffer.read({len(SUPERVISOR)}))")
        wire = self._start(argv, ending.register)
        self._wires.add(wire)
        stdout, complaints = AfterMark(supervisor.READY, on_stdout), AfterMark(supervisor.READY, errors.feed)
        stderr = threading.Thread(target=_drain, args=(wire.read_stderr, complaints.feed), daemon=True)
        overdue = threading.Timer(request.timeout + PATIENCE_SECONDS, wire.abort)
        overdue.daemon = True
        try:
            overdue.start()
            stderr.start()
            ending.register(wire.hang_up)
            with suppress(OSError):
                wire.send(SUPERVISOR + request.line() + stdin)
            _drain(wire.read_stdout, stdout.feed)
            stderr.join()
            status = wire.wait()
        finally:
            overdue.cancel()
            wire.close()
            overdue.join()
            stderr.join()
            self._wires.discard(wire)
        self._judge(request, status, stdout, complaints, time.monotonic() - started)
        return status

    def _judge(self, request: Request, status: int, stdout: AfterMark, complaints: AfterMark, seconds: float) -> None:
        """Raise what a status says beside the command's own end."""
        command = shlex.join(request.argv[:2])
        if status == supervisor.TIMED_OUT and seconds >= request.timeout:
            raise CommandTimeout(f"{self.host}: {command} … did not end within {request.timeout:g} s and was ended")
        if status < 0:
            raise LinkLost(f"{self.host}: the connection was lost while {command} … ran; is the host up?")
        if not stdout.seen and status != supervisor.HUNG_UP:
            said = (complaints.noise or stdout.noise).strip()[-500:]
            raise HostError(f"{self.host}: {self.python} cannot be started (exit {status}): {said}; {INSTALL_PYTHON}")


def _drain(read: Callable[[], bytes], sink: Sink) -> None:
    while piece := read():
        sink(piece)
