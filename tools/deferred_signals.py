"""Holds SIGINT and SIGTERM back while a library calls Python from its own loops, through which no exception may pass."""

from __future__ import annotations

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
