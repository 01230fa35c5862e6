"""What the user sees while a run on many hosts goes on: one line that counts them and a few of them, not a line for each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tools.contract import OK, TAINTED, Progress
from utils.display_words import PLAIN_SECONDS, how_far, overflow, step_title
from utils.runtime.masking import Masker

MOST_LINES = 12
"""So many hosts have a line of their own; of more, that many are shown below their count."""

WAITING, DONE = "waiting", "done"


@dataclass
class _Host:
    """What one host does."""

    case: str = ""
    place: str = ""
    doing: str = WAITING
    far: str = ""

    @property
    def kind(self) -> str:
        """What it does, in so few words that others do the same: `image` of `image: Step 3/7`."""
        return self.doing.partition(":")[0]


class CrowdDisplay(AbstractContextManager["CrowdDisplay"]):
    """In a terminal a count and the first hosts that are not done; elsewhere a line with the count now and then. A case that
    ended well is only counted."""

    def __init__(
        self, console: Console, hosts: tuple[str, ...], mask: Masker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._mask, self._clock = console, mask, clock
        self._hosts = {host: _Host() for host in hosts}
        self._ended: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._said = clock()
        self._live = Live(console=console, get_renderable=self._view, refresh_per_second=2, transient=True)

    def __enter__(self) -> CrowdDisplay:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._live.stop()

    def start_case(self, host: str, case: str, number: int, total: int) -> None:
        """See Display."""
        self._hosts[host] = _Host(case, f"{number}/{total}")

    def phase(self, host: str, text: str) -> None:
        """See Display."""
        one = self._hosts[host]
        one.doing, one.far = text, ""
        self._count_now_and_then()

    def progress(self, host: str, progress: Progress) -> None:
        """See Display."""
        one = self._hosts[host]
        one.doing, one.far = step_title(progress), how_far(progress) if progress.done else ""
        self._count_now_and_then()

    def end_case(self, host: str, case: str, status: str, seconds: float) -> None:
        """See Display."""
        with self._lock:
            self._ended[status] += 1
        if status not in (OK, TAINTED):
            self.message(f"{host}  {self._hosts[host].place} {case}: {status} after {seconds:.0f} s")

    def leave(self, host: str) -> None:
        """See Display."""
        self._hosts[host].doing = DONE
        self._count_now_and_then()

    def message(self, text: str) -> None:
        """See Display."""
        with self._lock:
            self._console.print(self._mask(text), markup=False, highlight=False, soft_wrap=True)

    def summary(self) -> str:
        """`200 hosts: 120 step f of a-g, engine forward · 80 packages; cases: 40 OK`."""
        doing = Counter(one.kind for one in tuple(self._hosts.values()))
        parts = " · ".join(f"{count:,} {kind}" for kind, count in doing.most_common())
        ended = ", ".join(f"{count:,} {status}" for status, count in tuple(self._ended.items()))
        return f"{len(self._hosts):,} hosts: {parts}" + (f"; cases: {ended}" if ended else "")

    def _count_now_and_then(self) -> None:
        if self._console.is_terminal:
            return  # Live redraws by itself
        with self._lock:
            if self._clock() - self._said < PLAIN_SECONDS:
                return
            self._said = self._clock()
        self.message(self.summary())

    def _view(self) -> Text:
        lines = [Text(self._mask(self.summary()), style="bold")]
        busy = [(name, one) for name, one in tuple(self._hosts.items()) if one.doing not in (WAITING, DONE)]
        for name, one in busy[:MOST_LINES]:
            words = (f"{one.place} {one.case}".strip(), one.doing[:60], one.far)
            lines.append(Text(self._mask(f"{name}  {' · '.join(filter(None, words))}")))
        return Text("\n", no_wrap=True, overflow=overflow(self._console)).join(lines)
