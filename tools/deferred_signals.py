"""Holds SIGINT and SIGTERM back while a library calls Python from its own loops, through which no exception may pass."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List


@contextmanager
def deferred_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` (in the main thread, between two bytecodes) for each signal that comes inside; handle the first on leaving.

    Signals that Python does not handle, and those of a program whose main thread is elsewhere, stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: List[int] = []
    handlers: Dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}

    def note(number: int, frame: Any) -> None:
        del frame
        came.append(number)
        tell()

    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            handlers[came[0]](came[0], None)


@contextmanager
def given_up_after(seconds: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Call `give_up` in a thread of its own, should the code inside still run so long after SIGINT or SIGTERM came.

    Python's own handlers wait for the main thread, which a library need not give back. Nothing is watched outside of that thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(reader, over, seconds, give_up), daemon=True)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        over.set()
        os.close(writer)
        watch.join()
        os.close(reader)


def _watch(reader: int, over: threading.Event, seconds: float, give_up: Callable[[], None]) -> None:
    """Read the numbers of signals until one is for us; the pipe's end is the code's."""
    while True:
        numbers = os.read(reader, 64)
        if not numbers:
            return
        if {signal.SIGINT, signal.SIGTERM} & set(numbers):
            if not over.wait(seconds):
                give_up()
            return
