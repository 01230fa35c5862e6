"""Where a run's hosts meet over its images under IMAGE_SOURCE copy: who has one, who builds it, who gets it from whom."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from loguru import logger

from tools.errors import ImageError
from utils.plan import HostTarget

MOST_COPIES = 4
"""So many copies of an image leave one host at a time: more would only share its line, and who has got it gives it too."""

MOST_MAKERS = 3
"""What so many hosts could not build, the others do not try: it is the Dockerfile, not the host."""

ARRIVAL_SECONDS = 900.0
"""A host that has not said by then what it has (it is being reached, or gets the code) is not waited for."""

WAIT_SECONDS = 7200.0
"""So long a host waits for another to build or give."""

LOOK_SECONDS = 2.0
"""A wait looks this often whether it was interrupted."""


@dataclass(frozen=True)
class Wanted:
    """An image for one processor architecture, as Docker names it: it runs on no other."""

    tag: str
    architecture: str


@dataclass
class _Shelf:
    """What is known of one image."""

    sources: dict[str, HostTarget] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    maker: str | None = None
    unmade: dict[str, str] = field(default_factory=dict)
    """Why it could not be built, by host."""


class ImageExchange:
    """One per run. All methods may be called from any host's thread.

    A host gives images only until it is told to go on: an export would disturb what it measures.
    """

    def __init__(self, hosts: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._awaited = set(hosts)
        self._arrivals_end = clock() + ARRIVAL_SECONDS
        self._lacking: set[str] = set()
        self._shelves: dict[Wanted, _Shelf] = {}

    def arrive(self, host: HostTarget, has: Iterable[Wanted], lacks: bool) -> None:
        """A host says what it has, and whether it lacks something."""
        with self._changed:
            self._awaited.discard(host.host)
            for wanted in has:
                self._shelf(wanted).sources[host.host] = host
            if lacks:
                self._lacking.add(host.host)
            self._changed.notify_all()

    def source_for(self, host: HostTarget, wanted: Wanted, check: Callable[[], None]) -> HostTarget | None:
        """Wait, and return the host to copy an image from, or None when `host` is to build it, which no host does twice.

        `check` raises what ends the waiting early. Raises ImageError when nobody has it in time, or nobody can build it.
        The answer obliges: to `copied` after a copy, `made` or `not_made` after a build.
        """
        until = self._clock() + WAIT_SECONDS
        with self._changed:
            shelf = self._shelf(wanted)
            while True:
                check()
                free = [name for name in shelf.sources if shelf.copies[name] < MOST_COPIES]
                if free:
                    best = min(free, key=lambda name: (shelf.copies[name], shelf.sources[name].rank))
                    shelf.copies[best] += 1
                    return shelf.sources[best]
                if not shelf.sources and shelf.maker is None and not self._still_awaited():
                    self._check_makers(host, wanted, shelf)
                    if host.host not in shelf.unmade:
                        shelf.maker = host.host
                        return None
                if self._clock() >= until:
                    raise ImageError(f"{host.host}: no host gave or built {wanted.tag} within {WAIT_SECONDS / 3600:g} h")
                self._changed.wait(LOOK_SECONDS)

    def made(self, host: HostTarget, wanted: Wanted) -> None:
        """A host has the image now and can give it."""
        with self._changed:
            shelf = self._shelf(wanted)
            shelf.sources[host.host] = host
            shelf.maker = None if shelf.maker == host.host else shelf.maker
            self._changed.notify_all()

    def not_made(self, host: HostTarget, wanted: Wanted, why: str) -> None:
        """A host could not build the image; another one may try."""
        with self._changed:
            shelf = self._shelf(wanted)
            shelf.maker, shelf.unmade[host.host] = None, why
            self._changed.notify_all()

    def copied(self, source: HostTarget, wanted: Wanted, lost: bool = False) -> None:
        """A copy has ended; a source that was `lost` on the way is not asked again."""
        with self._changed:
            shelf = self._shelf(wanted)
            shelf.copies[source.host] -= 1
            if lost:
                shelf.sources.pop(source.host, None)
            self._changed.notify_all()

    def await_others(self, host: HostTarget, check: Callable[[], None]) -> None:
        """Wait until every host has its images, or has gone: only then may `host` begin to measure."""
        until = self._clock() + WAIT_SECONDS
        with self._changed:
            self._lacking.discard(host.host)
            self._changed.notify_all()
            while self._lacking or self._still_awaited():
                check()
                if self._clock() >= until:
                    logger.warning("{}: {} still have no image; not waited for any longer", host.host, ", ".join(self._lacking))
                    return
                self._changed.wait(LOOK_SECONDS)

    def leave(self, host: HostTarget) -> None:
        """A host begins to measure, or is lost: it gives, builds and wants nothing any more. Safe to call twice."""
        with self._changed:
            self._awaited.discard(host.host)
            self._lacking.discard(host.host)
            for shelf in self._shelves.values():
                shelf.sources.pop(host.host, None)
                shelf.maker = None if shelf.maker == host.host else shelf.maker
            self._changed.notify_all()

    def _shelf(self, wanted: Wanted) -> _Shelf:
        return self._shelves.setdefault(wanted, _Shelf())

    def _still_awaited(self) -> bool:
        """Whether a host may still come and have what is wanted."""
        return bool(self._awaited) and self._clock() < self._arrivals_end

    def _check_makers(self, host: HostTarget, wanted: Wanted, shelf: _Shelf) -> None:
        """Raises ImageError when enough hosts, or all that are there, have failed to build an image."""
        others = self._lacking - shelf.unmade.keys()
        if len(shelf.unmade) < MOST_MAKERS and others | ({host.host} - shelf.unmade.keys()):
            return
        if host.host in shelf.unmade:
            raise ImageError(shelf.unmade[host.host])
        first = next(iter(shelf.unmade.values()))
        raise ImageError(f"{host.host}: no host has {wanted.tag}, and {', '.join(shelf.unmade)} could not build it: {first}")
