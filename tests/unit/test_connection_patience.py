"""How long a lost host is waited for, and what is done again once it is back."""

import pytest

from tools.errors import CommandTimeout, HostError, Interrupted
from utils.connection import patience
from utils.connection.base import LinkLost
from utils.connection.patience import Patience
from utils.connection.steady import SteadyConnection


class Flaky:
    """A connection whose commands fail `losses` times, and that is back after `absent` attempts to reach it."""

    host, is_local, python = "far", False, "python3"

    def __init__(self, losses=0, absent=0):
        self.losses, self.absent, self.commands = losses, absent, []

    def run(self, argv, **_):
        self.commands.append(argv)
        if self.losses:
            self.losses -= 1
            raise LinkLost("far: the connection was lost")
        return "done"

    def reach(self, cancelled=None):
        if self.absent:
            self.absent -= 1
            raise HostError("far: nothing listens there")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(patience, "PAUSES", (0.0,))


def test_a_command_is_repeated_once_the_host_is_back():
    host = Flaky(losses=1, absent=2)
    steady = SteadyConnection(host, Patience(host, 60))
    assert (steady.run(["true"], timeout=1), len(host.commands)) == ("done", 2)


def test_once_a_host_is_back_it_is_told_and_its_lock_can_be_taken_again():
    host, told = Flaky(losses=1, absent=2), []
    SteadyConnection(host, Patience(host, 60, told=told.append, on_back=lambda: told.append("lock"))).run(["true"], timeout=1)
    assert told == ["lost; waiting for it, 60 s at most (RECONNECT_SECONDS)", "back", "lock"]


def test_a_command_whose_lines_were_handed_on_is_not_repeated():
    host = Flaky(losses=1)
    with pytest.raises(LinkLost):
        SteadyConnection(host, Patience(host, 60)).run(["true"], timeout=1, on_line=print)
    assert len(host.commands) == 1


def test_a_step_is_not_repeated_for_ever():
    host = Flaky(losses=99)
    with pytest.raises(LinkLost):
        SteadyConnection(host, Patience(host, 60)).run(["true"], timeout=1)
    assert len(host.commands) == patience.MOST_REPEATS + 1


def test_a_host_that_stays_away_is_given_up_and_not_waited_for_again_until_the_next_case():
    host = Flaky(losses=99, absent=10**9)
    short = Patience(host, 0)
    for _ in range(2):
        with pytest.raises(
            HostError, match="did not come back within 0 s .RECONNECT_SECONDS.; once it is back, `run.py run --res"
        ):
            short.again("step", lambda: host.run(["true"]))
    short.fresh()
    assert short.given_up is None


def test_a_host_that_hangs_is_not_back_yet():
    class Hanging(Flaky):
        def reach(self, cancelled=None):
            if self.absent:
                self.absent -= 1
                raise CommandTimeout("far: true did not end within 20 s")

    host = Hanging(losses=1, absent=1)
    assert SteadyConnection(host, Patience(host, 60)).run(["true"], timeout=1) == "done"


def test_the_user_ends_the_waiting():
    host = Flaky(losses=1, absent=10**9)
    waiting = Patience(host, 60, cancelled=lambda end: end())
    with pytest.raises(Interrupted):
        waiting.again("step", lambda: host.run(["true"]))
