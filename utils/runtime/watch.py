"""Notices that a container's engine went away, however briefly: the engine itself does not tell afterwards."""

from __future__ import annotations

import threading

import urllib3
from docker import APIClient
from docker.errors import APIError
from loguru import logger
from requests.exceptions import RequestException


class EngineWatch:
    """A request that an engine answers when the container ends; if it breaks off, the engine or the link was lost."""

    def __init__(self, api: APIClient, container: str) -> None:
        self._api, self._container = api, container
        self._broke_off = threading.Event()
        threading.Thread(target=self._wait, name="engine-watch", daemon=True).start()

    @property
    def engine_was_lost(self) -> bool:
        """Whether the engine was lost since the watch began."""
        return self._broke_off.is_set()

    def _wait(self) -> None:
        try:
            self._api.wait(self._container, timeout=None)
        except APIError:
            return
        except (RequestException, urllib3.exceptions.HTTPError) as error:
            logger.debug("{}: the engine that watches it was lost: {}", self._container, error)
            self._broke_off.set()
