"""The Docker engine at the border: its errors in our words, its long requests made cancellable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3
from docker.auth import encode_header, load_config, resolve_repository_name
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from tools.errors import HostError
from utils.connection.base import EngineLost
from utils.connection.engine import NoSession
from utils.runtime.masking import masked


@contextmanager
def engine_errors(host: str) -> Iterator[None]:
    """Turn what the Docker SDK raises into HostError, EngineLost where no answer came.

    An APIError that has a meaning of its own is caught before it gets here.
    """
    try:
        yield
    except APIError as error:
        raise HostError(f"{host}: the Docker engine refused: {explanation(error)}") from error
    except NoSession as error:
        raise EngineLost(f"{host}: {error}") from error
    except (RequestException, urllib3.exceptions.HTTPError, DockerException) as error:
        said = masked(str(error))
        raise EngineLost(
            f"{host}: the Docker engine does not answer: {said}; is it running, or does it hang (systemctl restart docker)?"
        ) from error


def explanation(error: APIError) -> str:
    """What the engine says, on one line and without secrets."""
    return masked(" ".join(str(error.explanation or error).split()))


def build_headers() -> dict[str, str]:
    """The headers of a build, with the registry credentials that `docker login` left."""
    credentials = load_config().get_all_credentials()  # type: ignore[no-untyped-call]
    return {"Content-Type": "application/tar", **({"X-Registry-Config": _encoded(credentials)} if credentials else {})}


def pull_headers(repository: str) -> dict[str, str]:
    """The headers of a pull, with the credentials that `docker login` left for this registry."""
    credentials = load_config().resolve_authconfig(resolve_repository_name(repository)[0])
    return {"X-Registry-Auth": _encoded(credentials)} if credentials else {}


def _encoded(credentials: Mapping[str, Any]) -> str:
    return bytes(encode_header(credentials)).decode("ascii")
