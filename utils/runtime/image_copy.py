"""IMAGE_SOURCE copy: an image streamed from one host's engine to another's through run.py, never whole in memory or on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import urllib3
from docker import APIClient
from docker.errors import APIError
from docker.types import CancellableStream
from requests.exceptions import RequestException

from tools.errors import AccelmarkError, ConfigError, HostError, ImageError
from utils.cancel import Cancellation
from utils.connection import connect
from utils.connection.base import Connection
from utils.connection.patience import Patience
from utils.plan import HostTarget, ImagePlan, RunPlan
from utils.runtime.base import OnLine
from utils.runtime.engine import engine_errors, explanation
from utils.runtime.image import ensure_image, has_image
from utils.runtime.image_context import image_tag
from utils.runtime.image_exchange import ImageExchange, Wanted
from utils.runtime.masking import masked
from utils.runtime.options import network_mode

PIECE = 2**20
STALL_SECONDS = 600.0
"""So long an engine may be silent: before the first byte it packs the layers, after the last it unpacks them."""
SAID_SECONDS = 5.0
"""How often a copy says how far it is."""


class SourceLost(HostError):
    """The host that gave the image cannot go on; another may."""


def provide_images(
    exchange: ImageExchange,
    plan: RunPlan,
    host: HostTarget,
    connection: Connection,
    patience: Patience,
    cancellation: Cancellation,
    on_line: OnLine,
) -> dict[str, AccelmarkError]:
    """Let a host have every image of the plan, and wait until the other hosts have theirs; return, by tag, why it has not.

    Raises HostError when this host or its engine is away for too long, and Interrupted.
    """

    def known() -> tuple[dict[Wanted, ImagePlan], list[Wanted]]:
        with engine_errors(host.host):
            client = connection.docker()
            architecture = str(client.version().get("Arch", ""))
            images = {Wanted(image_tag(case.image), architecture): case.image for case in plan.cases}
            return images, [wanted for wanted in images if has_image(client, wanted.tag)]

    images, has = patience.again("images", known)
    exchange.arrive(host, has, lacks=len(has) < len(images))
    failures: dict[str, AccelmarkError] = {}
    for wanted, image in images.items():
        taker = _Host(exchange, plan, host, connection, cancellation, on_line)
        try:
            patience.again(f"image {wanted.tag}", partial(taker.obtain, wanted, image))
        except ImageError as error:
            failures[wanted.tag] = error
    exchange.await_others(host, cancellation.check)
    return failures


class _Host:
    """One host as it gets its images."""

    def __init__(
        self,
        exchange: ImageExchange,
        plan: RunPlan,
        host: HostTarget,
        connection: Connection,
        cancellation: Cancellation,
        on_line: OnLine,
    ) -> None:
        self._exchange, self._plan, self._host = exchange, plan, host
        self._connection, self._cancellation, self._on_line = connection, cancellation, on_line

    def obtain(self, wanted: Wanted, image: ImagePlan) -> None:
        """Copy or build; each source that is lost on the way is one less to ask, and no host builds twice, so this ends."""
        with engine_errors(self._host.host):
            while not has_image(self._connection.docker(), wanted.tag):
                source = self._exchange.source_for(self._host, wanted, self._cancellation.check)
                if source is None:
                    self._build(wanted, image)
                else:
                    self._copy(wanted, source)
            self._exchange.made(self._host, wanted)

    def _build(self, wanted: Wanted, image: ImagePlan) -> None:
        network = network_mode(self._plan.container_options, self._plan.shm_size)
        register = self._cancellation.register
        try:
            ensure_image(self._connection, image, self._plan.pip_source, network, self._on_line, register)
        except (ImageError, ConfigError) as error:
            self._on_line(str(error))
            self._exchange.not_made(self._host, wanted, str(error))

    def _copy(self, wanted: Wanted, source: HostTarget) -> None:
        lost = False
        try:
            copy_image(source, self._connection, wanted.tag, self._on_line, self._cancellation)
        except SourceLost as error:
            lost = True
            self._on_line(f"{wanted.tag} is not to be had from {source.host} any more: {error}")
        finally:
            self._exchange.copied(source, wanted, lost)


def copy_image(source: HostTarget, target: Connection, tag: str, on_line: OnLine, cancellation: Cancellation) -> None:
    """Copy an image from the engine of `source`, which gets a connection of its own for that, to the engine of `target`.

    Raises SourceLost when the one cannot give it, ImageError when the other cannot take it, HostError when the other is away,
    and Interrupted.
    """
    try:
        giver = connect(source, cancellation.register)
    except AccelmarkError as error:
        cancellation.check()
        raise SourceLost(str(error)) from error
    with giver, closing(_Export(giver, tag)) as export:
        cancellation.register(export.close)
        cancellation.check()
        try:
            _load(target, _counted(export, f"Copying {tag} from {source.host}", on_line))
        except (APIError, ImageError, RequestException, urllib3.exceptions.HTTPError) as error:
            cancellation.check()
            if export.failure is not None:
                raise SourceLost(f"{source.host}: its engine broke off: {export.failure}") from error
            if isinstance(error, APIError):
                raise ImageError(f"{target.host}: {tag} cannot be loaded: {explanation(error)}") from error
            raise
    if not has_image(target.docker(), tag):
        raise ImageError(f"{target.host}: {tag} was copied from {source.host}, but its engine does not have it now")


class _Export:
    """An image as its engine gives it, and what went wrong on that side."""

    def __init__(self, giver: Connection, tag: str) -> None:
        self.failure: Exception | None = None
        try:
            client = giver.docker()
            self.bytes = int(client.images.get(tag).attrs.get("Size", 0))
            url = f"{_base(client.api)}/images/{tag}/get"
            self._response = client.api.get(url, stream=True, timeout=STALL_SECONDS)
            self._response.raise_for_status()
        except (APIError, RequestException, HostError) as error:
            raise SourceLost(f"{giver.host}: {error}") from error
        self._stream = CancellableStream(iter(()), self._response)

    def pieces(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_content(PIECE)
        except (RequestException, urllib3.exceptions.HTTPError, OSError, AttributeError) as error:  # the last: it was closed
            self.failure = error
            raise

    def close(self) -> None:
        """End the export, from any thread."""
        self._stream.close()


def _load(target: Connection, pieces: Iterator[bytes]) -> None:
    api = target.docker().api
    headers = {"Content-Type": "application/x-tar"}
    response = api.post(f"{_base(api)}/images/load", data=pieces, headers=headers, stream=True, timeout=STALL_SECONDS)
    with closing(response):
        if response.status_code >= 400:
            raise APIError(response.text, response=response, explanation=response.text)
        for line in response.iter_lines():
            said: dict[str, Any] = json.loads(line) if line.strip() else {}
            if "error" in said:
                raise ImageError(masked(f"{target.host}: the image cannot be loaded: {said['error']}"))


def _counted(export: _Export, title: str, on_line: OnLine, clock: Callable[[], float] = time.monotonic) -> Iterator[bytes]:
    """Pass the pieces on and say how much it was, now and then. The engine's size is not the archive's, hence `about`."""
    total = f" of about {export.bytes / 1e6:,.0f}" if export.bytes else ""
    done, said = 0, clock()
    on_line(f"{title}, about {export.bytes / 1e6:,.0f} MB")
    for piece in export.pieces():
        yield piece
        done += len(piece)
        if clock() - said >= SAID_SECONDS:
            said = clock()
            on_line(f"{title}: {done / 1e6:,.0f}{total} MB")


def _base(api: APIClient) -> str:
    return f"{api.base_url}/v{api.api_version}"
