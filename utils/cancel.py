"""How Ctrl-C, or another signal that ends run.py, reaches what a worker thread waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from loguru import logger

from tools.errors import AccelmarkError, Interrupted

BY_THE_USER = "by the user"


class Cancellation:
    """One host's switch: `register` takes the function that ends what is going on now, `cancel` calls it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self._cause: str | None = None

    def register(self, end: Callable[[], None]) -> None:
        """Remember how to end what begins now; after a cancel it is ended at once."""
        with self._lock:
            self._end = end
            requested = self._cause is not None
        if requested:
            _call(end)

    def cancel(self, cause: str = BY_THE_USER) -> None:
        """End what is going on and everything that begins later; `cause` is who or what wants that."""
        with self._lock:
            self._cause = cause
            end = self._end
        if end is not None:
            _call(end)

    def check(self) -> None:
        """Raises Interrupted after a cancel."""
        if self._cause is not None:
            raise self._interrupted()

    def cause(self, error: AccelmarkError) -> AccelmarkError:
        """What really ended the work: after a cancel, whatever broke off was interrupted."""
        return error if self._cause is None else self._interrupted()

    def _interrupted(self) -> Interrupted:
        return Interrupted(f"interrupted {self._cause}")


def _call(end: Callable[[], None]) -> None:
    try:
        end()
    except Exception as error:
        logger.debug("ending what was interrupted: {}", error)
