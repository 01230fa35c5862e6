"""An sshd that takes connections and says nothing more, while a login that stands already goes on."""

import threading
import time

import psutil
import pytest
from ssh_fixtures import start_sshd, waited_for

from tools.errors import HostError
from utils.connection import connect

SOON_SECONDS = 20.0
"""What does not wait for a login is done by then, also on a slow machine; one that hangs is given up after four times ten."""

SESSIONS = 6
"""Of one login: enough for a watchdog and all that one client of Docker's engine opens (one for each address it asks)."""


class Slow:
    """A host whose one login is full (a watchdog, commands) and whose sshd lets nobody in any more; one more command waits."""

    def __init__(self, server, folder):
        self.server = server
        self.connection = connect(server.target)
        self.errors, self.threads, self.cancels = [], [], []
        self.held = [folder / f"held{place}" for place in range(SESSIONS - 1)]
        for held in self.held:
            self.begin(["sh", "-c", "touch $0; while [ -e $0 ]; do sleep 0.05; done", str(held)], held.exists)
        psutil.Process(server.process.pid).suspend()
        self.begin(["true"], lambda: self.links() == 2)

    def free(self):
        """End the commands that fill the login."""
        for held, thread in zip(self.held, self.threads, strict=False):
            held.unlink()
            thread.join(20)

    def begin(self, argv, up):
        """Run a command in a thread; return once it is `up`."""
        self.threads.append(threading.Thread(target=self._run, args=(argv,)))
        self.threads[-1].start()
        assert waited_for(up)

    def _run(self, argv):
        try:
            self.connection.run(argv, timeout=60, cancelled=self.cancels.append)
        except HostError as error:
            self.errors.append(str(error))

    def links(self):
        """How many connections lead from us to that sshd."""
        return sum(bool(one.raddr) and one.raddr.port == self.server.port for one in psutil.Process().net_connections("tcp"))

    def login_hangs(self):
        """Whether the first command that found no session still waits for the login it began."""
        return self.threads[len(self.held)].is_alive()

    @staticmethod
    def waiting():
        """How many commands wait for a session."""
        return sum(thread.name == "host-wait" for thread in threading.enumerate())


@pytest.fixture
def slow(tmp_path):
    server = start_sshd(tmp_path, sessions=SESSIONS)
    made = Slow(server, tmp_path)
    try:
        yield made
    finally:
        made.connection.close()
        psutil.Process(server.process.pid).resume()
        server.stop()


def seconds(step):
    began = time.monotonic()
    step()
    return time.monotonic() - began


def test_a_login_that_hangs_does_not_keep_others_from_a_session_that_is_free(slow):
    slow.free()
    slow.connection.run(["true"], timeout=20)
    assert slow.login_hangs()


def test_who_waits_for_a_login_that_hangs_takes_a_session_that_becomes_free(slow):
    slow.begin(["true"], lambda: slow.waiting() == 2)
    slow.free()
    slow.threads[-1].join(60)
    assert (slow.errors, slow.login_hangs()) == ([], True)


def test_a_login_that_hangs_does_not_keep_the_engine_s_tunnel_from_a_session_that_is_free(slow):
    slow.free()
    try:
        answer = str(slow.connection.docker().ping())
    except HostError as error:  # no engine runs there, which the tunnel has to find out in that session
        answer = str(error)
    assert slow.login_hangs()
    assert answer == "True" or "Docker" in answer


def test_a_connection_is_closed_at_once_while_a_login_hangs(slow):
    assert seconds(slow.connection.close) < SOON_SECONDS
    assert seconds(lambda: slow.threads[-1].join(60)) < SOON_SECONDS
    assert "127.0.0.1: the connection is closed" in slow.errors


def test_a_command_that_waits_for_a_login_is_ended_at_once(slow):
    slow.cancels[-1]()
    assert seconds(lambda: slow.threads[-1].join(60)) < SOON_SECONDS
    assert slow.errors == ["127.0.0.1: it was ended before the host had answered"]


def test_two_commands_wait_for_one_login(slow):
    slow.begin(["true"], lambda: slow.waiting() == 2)
    psutil.Process(slow.server.process.pid).resume()
    for thread in slow.threads[-2:]:
        thread.join(60)
    assert (slow.errors, slow.links()) == ([], 2)
