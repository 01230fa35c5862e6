"""The pool of logins to one host, without a host."""

import threading

import pytest

from tools.errors import HostError
from utils.connection.base import LinkLost
from utils.connection.ssh_pool import LoginPool

LONG_SECONDS = 20


def test_without_a_login_a_session_says_so_at_once_also_while_one_is_made():
    """Whoever has patience asks again; nobody else, as a last look after Ctrl-C, has to wait for a login that hangs."""
    begun, go_on, refused = threading.Event(), threading.Event(), []

    def hangs(cancelled):
        begun.set()
        assert go_on.wait(LONG_SECONDS)
        raise HostError("far: refused")

    def reach():
        with pytest.raises(HostError, match="far: refused"):
            pool.reach()
        refused.append(True)

    pool = LoginPool("far", "python3", hangs, hangs)
    reaching = threading.Thread(target=reach)
    reaching.start()
    assert begun.wait(LONG_SECONDS)
    with pytest.raises(LinkLost, match="the connection was lost"):
        pool.session()
    go_on.set()
    reaching.join(LONG_SECONDS)
    assert refused
