"""How the user's Ctrl-C reaches what a worker thread waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from loguru import logger

from tools.errors import AccelmarkError, Interrupted


class Cancellation:
    """One host's switch: `register` takes the function that ends what is going on now, `cancel` calls it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self._requested = False

    def register(self, end: Callable[[], None]) -> None:
        """Remember how to end what begins now; after a cancel it is ended at once."""
        with self._lock:
            self._end = end
            requested = self._requested
        if requested:
            _call(end)

    def cancel(self) -> None:
        """End what is going on and everything that begins later."""
        with self._lock:
            self._requested = True
            end = self._end
        if end is not None:
            _call(end)

    def check(self) -> None:
        """Raises Interrupted after a cancel."""
        if self._requested:
            raise Interrupted("interrupted by the user")

    def cause(self, error: AccelmarkError) -> AccelmarkError:
        """What really ended the work: after a cancel, whatever broke off was interrupted."""
        return Interrupted("interrupted by the user") if self._requested else error


def _call(end: Callable[[], None]) -> None:
    try:
        end()
    except Exception as error:
        logger.debug("ending what was interrupted: {}", error)
