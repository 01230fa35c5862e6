"""A build or a pull as the engine answers it, line by line: can be ended at any moment, and is when nothing comes any more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.types import CancellableStream
from requests.exceptions import ReadTimeout, RequestException

from tools.errors import HostError, ImageError, Interrupted
from utils.connection.base import Cancelled, Connection

PULSE_SECONDS, PULSES_MISSED = 20.0, 3
"""How often an engine that is at work is asked whether it lives, and how many answers in a row it may owe."""

Message = Mapping[str, Any]


class Silence(ImageError):
    """The engine has not said anything for too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing was heard of it for {seconds:g} s")


def request(
    connection: Connection,
    path: str,
    params: Mapping[str, Any],
    headers: Mapping[str, str],
    handle: Callable[[Message], None],
    silence: float,
    cancelled: Cancelled | None,
    body: bytes | None = None,
) -> None:
    """POST to the engine and hand each message of its answer over; the SDK's own build and pull cannot be cancelled.

    A cancel, or an exception of `handle`, ends the engine's work. Raises APIError when the engine refuses, RequestException when
    it is away, EngineLost when it does not answer anything else meanwhile, Silence after so many seconds without a message, and
    Interrupted.
    """
    ended: list[bool] = []
    stream = _begun(connection.docker().api, path, params, headers, silence, cancelled, body)

    def cancel() -> None:
        ended.append(True)
        stream.close()

    if cancelled is not None:
        cancelled(cancel)
    heard = time.monotonic()
    try:
        with _pulse(connection, stream):
            for line in stream:
                heard = time.monotonic()
                if line.strip():
                    handle(json.loads(line))
    finally:
        stream.close()
    if ended:
        raise _interrupted()
    if time.monotonic() - heard >= silence:
        raise Silence(silence)


def _begun(
    api: APIClient,
    path: str,
    params: Mapping[str, Any],
    headers: Mapping[str, str],
    silence: float,
    cancelled: Cancelled | None,
    body: bytes | None,
) -> CancellableStream[bytes]:
    """The answer's raw lines. Waiting for the first one cannot be ended, so that is left to a thread."""
    answers: SimpleQueue[Any] = SimpleQueue()
    url = f"{api.base_url}/v{api.api_version}{path}"

    def ask() -> None:
        try:
            answers.put(api.post(url, params=params, headers=headers, data=body, stream=True, timeout=silence))
        except (RequestException, urllib3.exceptions.HTTPError, DockerException) as error:
            answers.put(error)

    if cancelled is not None:
        cancelled(lambda: answers.put(_interrupted()))
    threading.Thread(target=ask, name="engine-request", daemon=True).start()
    response = answers.get()
    if isinstance(response, ReadTimeout):
        raise Silence(silence) from response
    if isinstance(response, Exception):
        raise response
    if response.status_code >= 400:
        raise APIError(response.text, response=response, explanation=_message(response.text))
    return CancellableStream(response.iter_lines(chunk_size=64 * 1024), response)


@contextmanager
def _pulse(connection: Connection, stream: CancellableStream[bytes]) -> Iterator[None]:
    """Ask the engine now and then whether it lives, and close the stream where it does not. Raises EngineLost in the end."""
    over, lost = threading.Event(), SimpleQueue[HostError]()

    def ask() -> None:
        missed = 0
        while not over.wait(PULSE_SECONDS):
            try:
                connection.reach_engine()
                missed = 0
            except HostError as error:
                missed += 1
                if missed == PULSES_MISSED:
                    lost.put(error)
                    stream.close()
                    return

    threading.Thread(target=ask, name="engine-pulse", daemon=True).start()
    try:
        yield
    finally:
        over.set()
    if not lost.empty():
        raise lost.get()


def _interrupted() -> Interrupted:
    return Interrupted("the image was not finished")


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body
