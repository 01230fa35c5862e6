"""One run per host: a lock that the connection holds, and that is free again when the run, the connection or the host dies."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from loguru import logger

from tools.errors import AccelmarkError, HostBusy, HostError
from utils import lock_holder
from utils.lock_holder import BUSY, HELD, UNLOCKED
from utils.report.words import clean, moment

if TYPE_CHECKING:
    from utils.cancel import Cancellation
    from utils.connection.base import Connection

NAME_VARIABLE = "ACCELMARK_LOCK"
"""Runs that give their hosts' locks another name than `accelmark` do not see each other; tests that run side by side need it."""

NAME = "accelmark"
ANSWER_SECONDS = 60.0
LONGEST_SECONDS = 365 * 24 * 3600.0
RELEASE_SECONDS = 15.0
ENDED = "ended "
WAIT = "come back when that has ended (`run.py run --wait` waits for it)"
SCRIPT = Path(lock_holder.__file__).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Claim:
    """Who asks for a host's lock, and tells others while he holds it. `token` is the run's own, also when it is resumed;
    `host` the host's name in it, `since` in seconds since the Unix epoch by the clock of `machine`."""

    token: str
    run: str
    host: str
    user: str
    machine: str
    pid: int
    since: float


class HostLock(AbstractContextManager["HostLock"]):
    """A host for this run alone. `folder`, where the project lies there, is locked with it: that keeps runs in other containers
    away. `told` is given a line for the user when there is somebody to wait for; `remedy` says what else helps against that.

    Entering raises HostBusy where another run has the host, unless it `waits`; Interrupted after Ctrl-C, HostError when the
    host is lost. A machine that knows no such locks is used without, which the log says.
    """

    def __init__(
        self,
        connection: Connection,
        claim: Claim,
        folder: str,
        waits: bool,
        cancellation: Cancellation,
        told: Callable[[str], None],
        remedy: str = WAIT,
    ) -> None:
        self._connection, self._claim, self._folder, self._waits = connection, claim, folder, waits
        self._cancellation, self._told, self._remedy = cancellation, told, remedy
        self._keeper: threading.Thread | None = None
        self._let_go: Callable[[], None] = lambda: None
        self._unlocked = False

    def __enter__(self) -> HostLock:
        try:
            self.ensure()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        self.release()

    def ensure(self) -> None:
        """Take the lock, or take it again should it have been lost with its connection; raises as entering does."""
        if self._unlocked or (self._keeper is not None and self._keeper.is_alive()):
            return
        said: SimpleQueue[str] = SimpleQueue()
        self._keeper = threading.Thread(target=self._keep, args=(said,), name="host-lock", daemon=True)
        self._keeper.start()
        self._await(said)

    def renew(self) -> None:
        """Take the lock again after the link was lost, and with it, sooner or later, the lock; raises as entering does."""
        self.release()
        self.ensure()

    def release(self) -> None:
        """Let the next run have the host; safe to call twice."""
        self._let_go()
        if self._keeper is not None:
            self._keeper.join(RELEASE_SECONDS)

    def _keep(self, said: SimpleQueue[str]) -> None:
        name = os.environ.get(NAME_VARIABLE, NAME)
        folder = self._folder if name == NAME else ""  # runs with locks of other names may share it
        waits = "wait" if self._waits else "once"
        command = [self._connection.python, "-c", SCRIPT, name, json.dumps(asdict(self._claim)), waits, folder]
        try:
            done = self._connection.run(command, timeout=LONGEST_SECONDS, on_line=said.put, cancelled=self._register)
            said.put(f"{ENDED}it ended with {done.status}: {done.stdout.strip()[-300:]}")
        except AccelmarkError as error:
            said.put(f"{ENDED}{error}")

    def _register(self, end: Callable[[], None]) -> None:
        self._let_go = end
        self._cancellation.register(end)

    def _await(self, said: SimpleQueue[str]) -> None:
        """Return when the lock is held."""
        host = self._connection.host
        waiting = False
        while True:
            line = self._next(said, waiting)
            if line == HELD:
                return
            if line.startswith(UNLOCKED):
                logger.warning("{}: no lock keeps other runs away: {}", host, line.removeprefix(UNLOCKED))
                self._unlocked = True
                return
            if line.startswith(BUSY):
                holder = words(line.removeprefix(BUSY))
                if not self._waits:
                    raise HostBusy(f"{host} is in use by {holder}; {self._remedy}")
                waiting = True
                logger.info("{}: waits for {}", host, holder)
                self._told(f"{host}: waits for {holder}")
            if line.startswith(ENDED):
                self._cancellation.check()
                raise HostError(f"{host}: it cannot be kept for this run: {line.removeprefix(ENDED)}")

    def _next(self, said: SimpleQueue[str], waiting: bool) -> str:
        """The next line; one that waits for another run has as long as that takes."""
        try:
            return said.get(timeout=LONGEST_SECONDS if waiting else ANSWER_SECONDS)
        except Empty:
            return f"{ENDED}no answer within {ANSWER_SECONDS:g} s"


def words(holder: str) -> str:
    """Who has a host, from what he and the kernel say of him (JSON). Anybody may call himself anything, so it is only shown."""
    known: Any = json.loads(holder)
    return clean(f"{_described(known)}, {_held(known)}")


def _held(known: dict[str, Any]) -> str:
    process, number, name = known.get("process"), known.get("user_id", -1), known.get("user_name")
    user = f"user id {number} ({name})" if name else f"user id {number}"
    if not process:
        return f"held by a process of {user} there" if number >= 0 else "held by a process that cannot be seen from there"
    doubt = f"; if that is no run, root or {user} can end it" if known.get("stranger") else ""
    return f"held by process {process} of {user} there{doubt}"


def _described(known: dict[str, Any]) -> str:
    if "folder" in known:
        return f"a run in another container or network namespace, which has {known['folder'][:200]} too"
    try:
        claim = Claim(**{name: kind(known[name]) for name, kind in _KINDS.items()})
        began = moment(claim.since)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "something that does not say who it is"
    machine = claim.machine[:80]
    return f"{claim.run[:80]} of {claim.user[:80]}@{machine} since {began} (process {claim.pid} on {machine})"


_KINDS: dict[str, Callable[[Any], Any]] = {
    "token": str,
    "run": str,
    "host": str,
    "user": str,
    "machine": str,
    "pid": int,
    "since": float,
}
