"""Logging in to a host by SSH: keys and host key; every way it can fail becomes a HostError with its remedy."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
from loguru import logger

from tools.errors import HostError
from utils.connection.base import PASSWORD, Cancelled
from utils.connection.ssh_agent import Agent
from utils.connection.ssh_proxy import open_proxy
from utils.connection.ssh_stream import SshStream
from utils.connection.ssh_target import Login

AUTH_SECONDS, CHANNEL_SECONDS, LOG_OUT_SECONDS = 20.0, 20.0, 5.0
TCP_PROBE_SECONDS, TCP_LOST_MILLISECONDS = 2, 6_000
"""A cut that TCP can notice is noticed in 8 s, also while we log in, when a slow sshd may be silent for longer than that."""

LOGIN_PAUSES = (0.5, 1.0, 2.0)
"""Seconds between the attempts at another login: sshd turns some away when many come at a time (MaxStartups)."""

logging.getLogger("paramiko").addHandler(
    logging.NullHandler()
)  # what it knows is in our errors; without a handler it prints tracebacks


def log_in(login: Login, cancelled: Cancelled | None = None) -> paramiko.SSHClient:
    """Return a client that is logged in. Raises HostError, also when what `cancelled` received was called meanwhile."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_KnownHostsPolicy(login))
    try:
        with _translated(login):
            _connect(client, login, cancelled or (lambda _: None))
    except BaseException:
        log_out(client)
        raise
    return client


def log_in_again(login: Login, closed: threading.Event, cancelled: Cancelled | None = None) -> paramiko.SSHClient:
    """One more login to a host that has let us in before; a refusal may be a passing one.

    Raises HostError after the last try, or the one that `closed` finds going on.
    """
    for pause in LOGIN_PAUSES:
        try:
            return log_in(login, cancelled)
        except HostError as error:
            if closed.is_set():
                raise
            logger.warning("{}: another login was refused, tried again in {:g} s: {}", login.target, pause, error)
            closed.wait(pause)
    return log_in(login, cancelled)


def log_out(client: paramiko.SSHClient) -> None:
    """Close a client and wait for its thread, which paramiko itself leaves to end when it likes."""
    transport = client.get_transport()
    client.close()
    if transport is not None and transport.is_alive():
        transport.join(LOG_OUT_SECONDS)


def _connect(client: paramiko.SSHClient, login: Login, cancelled: Cancelled) -> None:
    stream = open_proxy(login.target, login.proxy) if login.proxy else _connected(login, cancelled)
    cancelled(stream.cut)
    client._agent = Agent(login)  # type: ignore[attr-defined] # what it would otherwise make for itself
    try:
        client.connect(
            login.host,
            login.port,
            login.user,
            sock=stream,
            key_filename=[key for key in login.keys if _is_private(key)],  # type: ignore[arg-type] # the stubs know only one
            look_for_keys=False,
            password=os.environ.get(PASSWORD),
            banner_timeout=login.connect_seconds,
            auth_timeout=AUTH_SECONDS,
            channel_timeout=CHANNEL_SECONDS,
            timeout=AUTH_SECONDS,
            transport_factory=lambda *given, **named: _transport(login, *given, **named),
        )
    except BaseException:
        stream.close()
        raise
    stream.expect_life(login.target)


def _is_private(key: str) -> bool:
    return Path(key).is_file() and not key.endswith(".pub")


def _transport(login: Login, *given: Any, **named: Any) -> paramiko.Transport:
    """Ask first for the kinds of key that are known, else a host with several shows one that is not."""
    transport = paramiko.Transport(*given, **named)
    known = login.known_hosts.kinds()
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: ("ssh-rsa" if kind.startswith("rsa-") else kind) not in known)
    return transport


class _KnownHostsPolicy(paramiko.MissingHostKeyPolicy):
    """The client itself knows no host, so every key comes here."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        self._login.known_hosts.check(key, trust_first_use=self._login.trust_first_use)


@contextmanager
def _translated(login: Login) -> Iterator[None]:
    """Turn what the sockets and paramiko raise into HostError."""
    try:
        yield
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise HostError(_explained(login, error)) from error


def _explained(login: Login, error: BaseException) -> str:
    where = f"{login.target}: {login.host}:{login.port}" if login.target != login.host else f"{login.host}:{login.port}"
    if isinstance(error, paramiko.PasswordRequiredException):
        return f"{where}: a key has a passphrase ({_tried(login)}); add it to an agent (ssh-add), or name another (SSH_KEY)"
    if isinstance(error, paramiko.AuthenticationException) or "authentication methods" in str(error):
        return (
            f"{where} does not let {login.user} in; tried {_tried(login)}. Name the user (SSH_USER) and a private key (SSH_KEY) "
            f"whose public key is in that user's ~/.ssh/authorized_keys there"
        )
    if isinstance(error, socket.gaierror):
        return f"{login.target}: the name {login.host} cannot be resolved ({error.strerror}); check HOSTS or ~/.ssh/config"
    if isinstance(error, TimeoutError):
        return f"{where} does not answer within {login.connect_seconds:g} s; is the host up, and no firewall in between?"
    if isinstance(error, ConnectionRefusedError):
        return f"{where}: nothing listens there; is sshd running, and is the port right (SSH_PORT, or Port in ~/.ssh/config)?"
    by = f" by '{shlex.join(login.proxy)}' (ProxyCommand or ProxyJump in ~/.ssh/config)" if login.proxy else ""
    return f"{where}: SSH failed{by}: {error or type(error).__name__}"


def _tried(login: Login) -> str:
    agent = ["the agent's keys"] if login.agent else []
    password = [f"the password in {PASSWORD}"] if PASSWORD in os.environ else []
    return ", ".join([*login.keys, *agent, *password]) or "nothing, as there is no key in ~/.ssh and no agent"


def _connected(login: Login, cancelled: Cancelled) -> SshStream:
    """A TCP connection that ends when the other side acknowledges nothing any more."""
    stream = _reached(login, cancelled)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    probes = {"TCP_KEEPIDLE": TCP_PROBE_SECONDS, "TCP_KEEPINTVL": TCP_PROBE_SECONDS, "TCP_USER_TIMEOUT": TCP_LOST_MILLISECONDS}
    for name, value in probes.items():
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return stream


def _reached(login: Login, cancelled: Cancelled) -> SshStream:
    """socket.create_connection, but one that can be cut while it waits."""
    problem: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(login.host, login.port, type=socket.SOCK_STREAM):
        stream = SshStream(family, kind, protocol)
        stream.settimeout(login.connect_seconds)
        cancelled(stream.cut)
        try:
            stream.connect(address)
        except OSError as error:
            stream.close()
            problem = error
        else:
            return stream
    raise problem or OSError(f"{login.host} has no address")
