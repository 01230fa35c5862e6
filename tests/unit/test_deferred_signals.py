"""Signals that come while a library calls Python are told at once and handled afterwards."""

import os
import signal
import threading

import pytest

from tools.deferred_signals import deferred_signals, given_up_after


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


def interrupted(seconds, tell, until=lambda: None):
    with given_up_after(seconds, tell), deferred_signals(lambda: None):
        os.kill(os.getpid(), signal.SIGINT)
        until()


def test_code_that_does_not_end_after_a_signal_is_given_up():
    gave_up = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        interrupted(0.0, gave_up.set, until=lambda: gave_up.wait(10))
    assert gave_up.is_set()


def test_code_that_ends_in_time_is_not_given_up_with_a_signal_or_without():
    gave_up = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        interrupted(60.0, gave_up.set)
    with given_up_after(0.0, gave_up.set):
        pass
    assert not gave_up.is_set()
    assert signal.set_wakeup_fd(-1) == -1
