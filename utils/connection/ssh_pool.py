"""The logins to one host by SSH: each session on the first that has room for it, and where none has, on another login."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import paramiko

from tools.errors import HostError
from utils.cancel import Cancellation
from utils.connection import watchdog
from utils.connection.base import Cancelled, LinkLost
from utils.connection.ssh_login import CHANNEL_SECONDS, LOG_OUT_SECONDS, log_out

MOST_LOGINS = 16
ASK_SECONDS = 2.0
ROOM_SECONDS = 1.0
"""How long a login is waited for before the others are asked again: a session of theirs may have ended, and sshd tells nobody."""

WATCHDOG = Path(watchdog.__file__).read_text(encoding="utf-8")

LogIn = Callable[[Cancelled], paramiko.SSHClient]
Outcome = TypeVar("Outcome")


class LoginPool:
    """All logins to one host, from any thread. The lock guards the list and is never held while the host is waited for.

    `first` logs in to a host that may not let us in at all, `another` to one that already has. One login is made at a time,
    for all who wait for it: sshd turns some away when many come at once (MaxStartups).
    """

    def __init__(self, host: str, python: str, first: LogIn, another: LogIn) -> None:
        self._host, self._python = host, python
        self._first, self._another = first, another
        self._lock = threading.Lock()
        self._logins: list[Login] = []
        self._coming: Future[None] | None = None
        self._ending = Cancellation()
        self._closed = False

    def reach(self) -> None:
        """Return when there is a login that lives. Raises HostError when the host does not let us in."""
        self._forget_the_lost()
        with self._lock:
            if self._logins:
                return
            coming, ours = self._join()
        if ours:
            self._fill(coming, self._first, lambda _: None)
        else:
            coming.result()

    def session(self) -> paramiko.Channel:
        """A new session on the first login that has room for one (sshd's MaxSessions), or else on a new login.

        Who waits for a login that another thread makes also takes what becomes free on those that stand.
        Raises LinkLost without any login, HostError where sshd allows no more.
        """
        full: set[Login] = set()
        while True:
            self._forget_the_lost()
            with self._lock:
                login = self._with_room(full)
                if login is None:
                    coming, ours = self._join()
            if login is not None:
                with suppress(NoRoom):
                    return self._opened(login)
                full.add(login)
            elif ours:
                return self._fill(coming, self._another, self._first_session)
            elif wait((coming,), ROOM_SECONDS).done:
                coming.result()
            else:
                full.clear()

    def beat(self) -> None:
        """Tell the watchdogs on the host that we are here."""
        for login in self._all():
            login.beat()

    def close(self) -> None:
        """Log out everywhere, and let no login begin or go on; does not wait for the host."""
        with self._lock:
            self._closed = True
            logins, self._logins = self._logins, []
        self._ending.cancel()
        for login in logins:
            login.end()

    def _all(self) -> tuple[Login, ...]:
        with self._lock:
            return tuple(self._logins)

    def _forget_the_lost(self) -> None:
        with self._lock:
            lost = [login for login in self._logins if not login.lives]
            self._logins = [login for login in self._logins if login not in lost]
        for login in lost:
            login.end()

    def _with_room(self, full: Collection[Login]) -> Login | None:
        """One that may have room; None where another login is needed."""
        if not self._logins and not self._closed:
            raise LinkLost(f"{self._host}: the connection was lost; is the host up?")
        login = next((login for login in self._logins if login not in full), None)
        if login is None and len(self._logins) >= MOST_LOGINS:
            raise HostError(f"{self._host}: sshd allows no more sessions; raise its MaxSessions")
        return login

    def _join(self) -> tuple[Future[None], bool]:
        """The login that is coming, and whether it is for us to make it."""
        if self._closed:
            raise HostError(f"{self._host}: the connection is closed")
        if self._coming is not None:
            return self._coming, False
        self._coming = Future()
        return self._coming, True

    def _fill(self, coming: Future[None], log_in: LogIn, use: Callable[[Login], Outcome]) -> Outcome:
        """Make the login that is coming, `use` it before all others who wait for it, and tell them, also of what went wrong."""
        login: Login | None = None
        try:
            login = Login(log_in(self._ending.register))
            outcome = use(login)
            self._add(login)
        except BaseException as error:
            if login is not None:
                login.end()
            self._end_coming()
            coming.set_exception(error)
            raise
        coming.set_result(None)
        return outcome

    def _add(self, login: Login) -> None:
        self._ending.register(lambda: None)
        with self._lock:
            if self._closed:
                raise HostError(f"{self._host}: the connection is closed")
            self._logins.append(login)
            self._coming = None

    def _end_coming(self) -> None:
        with self._lock:
            self._coming = None

    def _first_session(self, login: Login) -> paramiko.Channel:
        """A session that cannot be refused for want of room."""
        try:
            return self._opened(login)
        except NoRoom as error:
            raise HostError(f"{self._host}: sshd allows no session at all ({error}); raise its MaxSessions") from error

    def _opened(self, login: Login) -> paramiko.Channel:
        try:
            channel = login.session()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LinkLost(f"{self._host}: the connection was lost: {error}; is the host up?") from error
        login.watch((self._python, "-ISc", WATCHDOG))
        return channel


class NoRoom(Exception):
    """A login that lives has no room for another session."""


class Login:
    """One login. As nobody is told of a cut link, each end watches the other: we by the answers that `_ask` has it give, whose
    absence ssh_stream.py notices; the host, once there was a session, by a watchdog that ends the login there (watchdog.py)."""

    def __init__(self, client: paramiko.SSHClient) -> None:
        transport = client.get_transport()
        assert transport is not None
        self._client, self._transport = client, transport
        self._lock = threading.Lock()
        self._watch: paramiko.Channel | None = None
        self._watched = False
        self._ended = threading.Event()
        self._asking = threading.Thread(target=self._ask, name="ssh-ask", daemon=True)
        self._asking.start()

    @property
    def lives(self) -> bool:
        """Whether the link stands, as far as we know."""
        return self._transport.is_active()

    def session(self) -> paramiko.Channel:
        """A new session. Raises NoRoom; SSHException, OSError, EOFError for a lost link.

        Of several refusals at a time paramiko names one as such (ChannelException), as it keeps one exception for all threads.
        """
        try:
            return self._transport.open_session(timeout=CHANNEL_SECONDS)
        except paramiko.SSHException as error:
            if not self.lives:
                raise
            raise NoRoom(str(error)) from error

    def watch(self, argv: Sequence[str]) -> None:
        """Start the watchdog, once, and where sshd has room for it: without it things go as well, as long as no link is cut."""
        with self._lock:
            watched, self._watched = self._watched, True
        if watched:
            return
        with suppress(NoRoom, paramiko.SSHException, OSError, EOFError):
            watch = self.session()
            watch.exec_command(shlex.join(argv))
            self._watch = watch

    def beat(self) -> None:
        """Tell the watchdog that we are here."""
        if self._watch is not None:
            with suppress(OSError, EOFError):
                self._watch.sendall(b".")

    def end(self) -> None:
        """Log out, and wait for our thread."""
        self._ended.set()
        log_out(self._client)
        self._asking.join(LOG_OUT_SECONDS)

    def _ask(self) -> None:
        """Have the host say that it is there: RFC 4254 (4) wants an answer to any request.

        It is waited for until it comes or the link ends. That is long where much is on its way, so this thread does nothing else.
        """
        with suppress(paramiko.SSHException, OSError, EOFError):
            while self.lives and not self._ended.wait(ASK_SECONDS):
                self._transport.global_request("keepalive@openssh.com")
