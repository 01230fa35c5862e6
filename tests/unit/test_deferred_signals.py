"""Signals that come while a library calls Python are told at once and handled afterwards."""

import os
import signal
import threading

import pytest

from tools.deferred_signals import deferred_signals


@pytest.fixture(autouse=True)
def _pythons_own_handler():
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def test_a_signal_is_told_inside_and_handled_on_leaving():
    told, after = [], []

    def work():
        with deferred_signals(lambda: told.append("now")):
            os.kill(os.getpid(), signal.SIGINT)
            after.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (told, after) == (["now"], ["went on"])


def test_without_a_signal_handlers_are_as_before():
    with deferred_signals(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_nothing_changes():
    seen = []

    def look():
        with deferred_signals(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
