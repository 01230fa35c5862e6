"""When the socket to a host takes it for lost."""

import socket

import pytest

from utils.connection.ssh_stream import LOST_AFTER_SECONDS, SshStream


class Clock:
    """Each reading is `step` seconds after the one before."""

    def __init__(self, step=0.5):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def pair():
    """Our end, which waits for no time at all, and the host's."""
    ours, host = socket.socketpair()
    with SshStream(fileno=ours.detach()) as stream, host:
        stream.settimeout(0.0001)
        stream.clock = Clock()
        yield stream, host


def silent_seconds(stream, read, limit=30.0):
    """By the stream's clock, until it ends; at most `limit`."""
    began = stream.clock.now
    while stream.clock.now - began < limit:
        try:
            if not read():
                break
        except TimeoutError:
            pass
    return stream.clock.now - began


def test_a_host_that_says_nothing_is_lost_in_eight_seconds(pair):
    stream, _ = pair
    stream.expect_life("node")
    assert silent_seconds(stream, lambda: stream.recv(10)) == pytest.approx(8.0, abs=1)


def test_a_link_that_takes_nothing_any_more_is_lost_as_soon(pair):
    stream, _ = pair
    stream.expect_life("node")
    with pytest.raises(BrokenPipeError):
        silent_seconds(stream, lambda: stream.send(b"x" * 65536))
    assert stream.clock.now == pytest.approx(LOST_AFTER_SECONDS, abs=1)


def test_each_byte_is_a_sign_of_life(pair):
    stream, host = pair
    stream.expect_life("node")
    silent_seconds(stream, lambda: stream.recv(10), LOST_AFTER_SECONDS - 1)
    host.sendall(b".")
    assert stream.recv(10) == b"."
    assert silent_seconds(stream, lambda: stream.recv(10)) == pytest.approx(LOST_AFTER_SECONDS, abs=1)


def test_a_process_that_stood_still_does_not_blame_the_host(pair):
    stream, host = pair
    stream.expect_life("node")
    stream.clock.step = 3600.0
    with pytest.raises(TimeoutError):
        stream.recv(10)
    host.sendall(b".")
    assert stream.recv(10) == b"."


def test_a_login_may_take_longer(pair):
    stream, _ = pair
    assert silent_seconds(stream, lambda: stream.recv(10), 20.0) == 20.0
