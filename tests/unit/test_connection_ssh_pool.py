"""The pool of logins to one host, without a host."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

from tools.errors import HostError
from utils.connection import ssh_pool
from utils.connection.ssh_pool import LoginPool

LONG_SECONDS = 20


def test_a_session_waits_for_the_first_login_that_another_thread_makes(monkeypatch):
    begun, waits, go_on = threading.Event(), threading.Event(), threading.Event()

    def first(cancelled):
        begun.set()
        go_on.wait(LONG_SECONDS)
        raise HostError("far: refused")

    monkeypatch.setattr(ssh_pool, "wait", lambda *given: (waits.set(), wait(*given))[1])
    pool = LoginPool("far", "python3", first, first)
    with ThreadPoolExecutor(2) as threads:
        reaching = threads.submit(pool.reach)
        begun.wait(LONG_SECONDS)
        session = threads.submit(pool.session)
        waits.wait(LONG_SECONDS)
        go_on.set()
    assert [str(each.exception()) for each in (reaching, session)] == ["far: refused"] * 2
