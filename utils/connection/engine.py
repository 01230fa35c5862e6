"""A host's Docker engine as the SDK's client, or a HostError that says why there is none and what to do."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import docker
import requests
from docker.errors import DockerException

from tools.errors import CommandTimeout, HostError
from utils.connection.base import EngineLost
from utils.connection.docker_tunnel import REFUSED

if TYPE_CHECKING:
    from utils.connection.base import Connection

ENGINE_SECONDS = 60
DIAGNOSIS_SECONDS = 20.0
PING_SECONDS = 10.0


class NoSession(requests.ConnectionError):
    """The way to the engine is a session of its own, and the host's sshd refuses that; says so in words for the user."""


def open_engine(connection: Connection, url: str | None) -> docker.DockerClient:
    """Return a client whose engine has answered; `url` None means what this machine's environment says (DOCKER_HOST).

    Raises HostError when there is no answer.
    """
    client: docker.DockerClient | None = None
    try:
        client = docker.DockerClient(base_url=url, timeout=ENGINE_SECONDS) if url else docker.from_env(timeout=ENGINE_SECONDS)
        if url:
            client.api.hooks["response"].append(_check_session)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        if client is not None:
            client.close()
        raise HostError(f"no Docker engine answers on {connection.host}: {_why(connection, error)}") from error
    return client


def check_answers(client: docker.DockerClient, host: str) -> None:
    """Raises EngineLost when an engine that has answered before does not do so within PING_SECONDS."""
    try:
        client.api.get(f"{client.api.base_url}/_ping", timeout=PING_SECONDS).raise_for_status()
    except NoSession as error:
        raise EngineLost(f"{host}: {error}") from error
    except (DockerException, requests.RequestException) as error:
        raise EngineLost(f"{host}: the Docker engine does not answer: {error}") from error


def _check_session(response: requests.Response, **_: object) -> None:
    """Raises NoSession for what was not the engine's answer but the tunnel's."""
    if response.status_code == REFUSED:
        why = response.json()["message"]
        raise NoSession(f"sshd refuses a session for the Docker engine ({why}); does it allow enough of them (MaxSessions)?")


def _why(connection: Connection, error: Exception) -> str:
    """Ask the host's own docker command, which knows best."""
    try:
        asked = connection.run(("docker", "version"), timeout=DIAGNOSIS_SECONDS)
    except CommandTimeout:
        return f"it hangs ('docker version' did not end within {DIAGNOSIS_SECONDS:g} s); restart it (systemctl restart docker)"
    said = (asked.stderr.strip().splitlines() or [str(error)])[-1]
    if asked.status == 127:
        return f"it is not installed there (no command 'docker'); install Docker ({error})"
    if "permission denied" in asked.stderr.lower():
        return f"{_user(connection)} may not use it; add that user to the docker group, or take another (SSH_USER): {said}"
    if asked.status != 0:
        return f"it is installed but not running, try 'systemctl start docker': {said}"
    return f"'docker version' gets an answer there, but we do not: {error}"


def _user(connection: Connection) -> str:
    if connection.is_local:
        return getpass.getuser()
    return connection.run(("id", "-un"), timeout=DIAGNOSIS_SECONDS).stdout.strip() or "the user"
