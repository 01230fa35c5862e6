"""When a run takes its last look at a host, and when what lies there is left for --resume."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from tools.errors import ConfigError, HostError, Interrupted
from utils import last_look as module
from utils.last_look import last_look


@pytest.fixture
def session(monkeypatch):
    """A host that remembers that it was looked at; the look itself fails as `session.away` says."""
    session = SimpleNamespace(connection=None, plan=SimpleNamespace(runtime="process"), lost={}, looks=0, away=None)
    session.host = SimpleNamespace(host="a")

    def look(connection, plan, host):
        session.looks += 1
        if session.away:
            raise session.away

    monkeypatch.setattr(module, "clear_own_processes", look)
    return session


@pytest.mark.parametrize("ending", [None, ConfigError("no"), Interrupted("Ctrl-C"), KeyboardInterrupt()])
def test_however_a_run_ends_its_host_is_looked_at(session, ending):
    with suppress(ConfigError, Interrupted, KeyboardInterrupt), last_look(session):
        if ending is not None:
            raise ending
    assert session.looks == 1


def test_what_lies_on_a_host_that_was_lost_stays_for_resume(session):
    with pytest.raises(HostError), last_look(session):
        raise HostError("away")
    session.lost["toy:pytorch"] = "its case"
    with last_look(session):
        pass
    assert session.looks == 0


def test_a_host_that_is_away_at_the_last_look_costs_no_result(session):
    session.away = HostError("away")
    with last_look(session):
        reports = ["measured"]
    assert (session.looks, reports) == (1, ["measured"])
