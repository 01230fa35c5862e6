"""The socket to a host, whatever lies in between: it ends itself when nothing is heard of the host any more."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from loguru import logger

LOST_AFTER_SECONDS = 8.0
"""The host is asked for an answer every 2 s (ssh_pool.ASK_SECONDS); what is left of ten seconds is for a slow machine here."""

LONGEST_STEP = 1.0
"""Seconds that one look counts at most: while this process itself stood still (Ctrl-Z), the host may well have answered."""


class SshStream(socket.socket):
    """What paramiko reads from and writes to, in steps of at most 0.1 s (Transport._active_check_timeout).

    TCP alone notices a cut network only where it leads to the host: behind a proxy command it does not, and a frozen sshd's
    kernel still acknowledges. Each byte is a sign of life: an answer may have to wait for what is already on its way.
    """

    clock = staticmethod(time.monotonic)
    _host: str | None = None
    _silent = _looked = 0.0

    def expect_life(self, host: str) -> None:
        """From now on end, for whoever reads or writes, after LOST_AFTER_SECONDS without a byte; the log then names `host`."""
        self._host = host
        self._heard()

    def recv(self, *given: Any) -> bytes:
        """See socket.recv. paramiko's own thread is in it nearly all of the time."""
        try:
            data = super().recv(*given)
        except TimeoutError:
            self._look()
            raise
        self._heard()
        return data

    def send(self, *given: Any) -> int:
        """See socket.send. One that a cut link blocks may keep paramiko's own thread, which wants to write, too, from reading."""
        try:
            return super().send(*given)
        except TimeoutError:
            self._look()
            raise

    def cut(self) -> None:
        """Make whoever waits for this socket come back, from any thread."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def _heard(self) -> None:
        self._silent, self._looked = 0.0, self.clock()

    def _look(self) -> None:
        now = self.clock()
        self._silent += min(now - self._looked, LONGEST_STEP)
        self._looked = now
        if self._host is not None and self._silent >= LOST_AFTER_SECONDS:
            logger.warning("{}: nothing was heard of it for {:g} s; this link is given up", self._host, LOST_AFTER_SECONDS)
            self._host = None
            self.cut()
