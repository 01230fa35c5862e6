"""A step that may hang, in a thread of its own, so that whoever waits for it can leave at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Generic, TypeVar

from tools.errors import HostError
from utils.connection.base import Cancelled

Outcome = TypeVar("Outcome")


class Interruptible:
    """The steps that somebody waits for now: `close` ends the waiting for all of them, and for those that come."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._waits: set[_Wait[Any]] = set()
        self.closed = threading.Event()

    def run(
        self, step: Callable[[], Outcome], discard: Callable[[Outcome], object], cancelled: Cancelled | None = None
    ) -> Outcome:
        """Return what `step` returns. Raises what it raises; HostError once `cancelled`'s function or `close` was called.

        A step that was left goes on in its thread; what it returns then is given to `discard`.
        """
        wait = _Wait(step, discard)
        with self._lock:
            self.check_open()
            self._waits.add(wait)
        try:
            threading.Thread(target=wait.work, name="host-wait", daemon=True).start()
            if cancelled is not None:
                cancelled(lambda: wait.leave(HostError(f"{self._host}: it was ended before the host had answered")))
            return wait.outcome.result()
        except BaseException:
            wait.leave(self._closed())
            raise
        finally:
            with self._lock:
                self._waits.discard(wait)

    def check_open(self) -> None:
        """Raises HostError once it was closed."""
        if self.closed.is_set():
            raise self._closed()

    def close(self) -> None:
        """End all waiting, from any thread; safe to call twice."""
        with self._lock:
            self.closed.set()
            waits = tuple(self._waits)
        for wait in waits:
            wait.leave(self._closed())

    def _closed(self) -> HostError:
        return HostError(f"{self._host}: the connection is closed")


class _Wait(Generic[Outcome]):
    """One step; its outcome is the step's own, or why it was left."""

    def __init__(self, step: Callable[[], Outcome], discard: Callable[[Outcome], object]) -> None:
        self._step, self._discard = step, discard
        self.outcome: Future[Outcome] = Future()

    def work(self) -> None:
        try:
            value = self._step()
        except BaseException as error:
            self.leave(error)
            return
        try:
            self.outcome.set_result(value)
        except InvalidStateError:
            self._discard(value)

    def leave(self, error: BaseException) -> None:
        with suppress(InvalidStateError):  # it has its outcome
            self.outcome.set_exception(error)
