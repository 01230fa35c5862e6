"""Waits for a host that was lost, for so long and no longer, and says so in the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from loguru import logger

from tools.errors import CommandTimeout, HostError, Interrupted
from utils.connection.base import Cancelled, Connection, EngineLost, LinkLost

RECONNECT_SECONDS = 120.0
"""How long a lost host is waited for, unless RECONNECT_SECONDS in host.yaml says otherwise: a short reboot."""

PAUSES = (0.5, 1.0, 2.0, 5.0)
MOST_REPEATS = 3
Outcome = TypeVar("Outcome")


class Patience:
    """One host's patience: whether it was lost, and whether it was given up since (`fresh` gives it another chance)."""

    def __init__(
        self,
        connection: Connection,
        seconds: float = RECONNECT_SECONDS,
        cancelled: Cancelled | None = None,
        told: Callable[[str], None] = lambda _: None,
        on_back: Callable[[], None] = lambda: None,
    ) -> None:
        """`told` hears what there is to be shown of a wait, `on_back` is called when the host answers again."""
        self._connection, self._seconds, self._cancelled = connection, seconds, cancelled
        self._told, self._on_back = told, on_back
        self.given_up: HostError | None = None
        self.was_lost = False

    def fresh(self) -> None:
        """Begin anew, for another case."""
        self.given_up, self.was_lost = None, False

    def outlived(self) -> None:
        """What was to be lost with the host has outlived that."""
        self.was_lost = False

    def again(self, what: str, step: Callable[[], Outcome]) -> Outcome:
        """Do a step that may be repeated, and repeat it once the host is back, should it be lost meanwhile.

        Raises HostError when the host does not come back, or is lost MOST_REPEATS times in this one step.
        """
        for _ in range(MOST_REPEATS):
            try:
                return step()
            except LinkLost as error:
                self.wait_for_host(error)
                logger.warning("{}: {}: once more", self._connection.host, what)
        return step()

    def wait_for_host(self, lost: HostError) -> None:
        """Return when the host answers again. Raises HostError when it does not in time, Interrupted when the user ends the wait,
        and what `on_back` raises."""
        host = self._connection.host
        self.was_lost = True
        if self.given_up is not None:
            raise self.given_up from lost
        logger.warning("{}; waiting for it, {:g} s at most (RECONNECT_SECONDS)", lost, self._seconds)
        self._told(f"lost; waiting for it, {self._seconds:g} s at most (RECONNECT_SECONDS)")
        began, ended, tries = time.monotonic(), threading.Event(), 0
        while not self._reached(ended, engine=isinstance(lost, EngineLost)):
            if ended.is_set():
                raise Interrupted(f"{host} is not waited for any longer") from lost
            if time.monotonic() - began >= self._seconds:
                self.given_up = HostError(
                    f"{lost} It did not come back within {self._seconds:g} s (RECONNECT_SECONDS); "
                    "once it is back, `run.py run --resume` goes on"
                )
                raise self.given_up from lost
            ended.wait(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
        logger.warning("{}: back after {:.1f} s", host, time.monotonic() - began)
        self._told("back")
        self._on_back()

    def _reached(self, ended: threading.Event, engine: bool) -> bool:
        """Whether the host, and its engine, answer now; `ended` is set when the user wants to wait no longer."""

        def register(end: Callable[[], None]) -> None:
            def both() -> None:
                ended.set()
                end()

            if self._cancelled is not None:
                self._cancelled(both)

        try:
            register(lambda: None)
            self._connection.reach(register)
            register(lambda: None)
            if engine:
                self._connection.reach_engine()
        except (HostError, CommandTimeout) as error:
            logger.info("{}: not yet: {}", self._connection.host, error)
            register(lambda: None)
            return False
        return True
