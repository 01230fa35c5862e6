"""What the user sees while a run goes on: a bar per host in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from tools.contract import Progress
from utils.display_crowd import MOST_LINES, CrowdDisplay
from utils.display_words import PLAIN_SECONDS, how_far, overflow, step_title
from utils.runtime.masking import Masker


class Display(Protocol):
    """Told by the hosts' threads what goes on; all methods may be called from any of them."""

    def start_case(self, host: str, case: str, number: int, total: int) -> None:
        """A host begins its `number`-th of `total` cases."""

    def phase(self, host: str, text: str) -> None:
        """A host does something else now: connecting, image, packages …"""

    def progress(self, host: str, progress: Progress) -> None:
        """The guest says how far it is in one of the seven steps."""

    def end_case(self, host: str, case: str, status: str, seconds: float) -> None:
        """A case is over."""

    def leave(self, host: str) -> None:
        """Nothing more is done on a host."""

    def message(self, text: str) -> None:
        """Something the user should read now."""


@dataclass
class _Line:
    """What is known of one host."""

    case: str = ""
    place: str = ""
    text: str = ""
    said: float = 0.0


class PlainDisplay(AbstractContextManager["PlainDisplay"]):
    """A line per event, for logs and pipes."""

    def __init__(self, console: Console, mask: Masker, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._mask, self._clock = console, mask, clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Line] = {}

    def __exit__(self, *unused: object) -> None:
        """Nothing is left to be closed."""

    def start_case(self, host: str, case: str, number: int, total: int) -> None:
        """See Display."""
        self._hosts[host] = _Line(case, f"{number}/{total}")

    def phase(self, host: str, text: str) -> None:
        """See Display."""
        line = self._hosts.setdefault(host, _Line())
        if line.text != text:
            line.text, line.said = text, self._clock()
            self.message(f"{host}  {line.place} {line.case}: {text}" if line.case else f"{host}  {text}")

    def progress(self, host: str, progress: Progress) -> None:
        """See Display."""
        self.phase(host, step_title(progress))
        line = self._hosts[host]
        if progress.done and self._clock() - line.said >= PLAIN_SECONDS:
            line.said = self._clock()
            self.message(f"{host}  {line.place} {line.case}: {line.text}, {how_far(progress)}")

    def end_case(self, host: str, case: str, status: str, seconds: float) -> None:
        """See Display."""
        self.message(f"{host}  {self._hosts[host].place} {case}: {status} after {seconds:.0f} s")

    def leave(self, host: str) -> None:
        """See Display."""

    def message(self, text: str) -> None:
        """See Display."""
        with self._lock:
            self._console.print(self._mask(text), markup=False, highlight=False, soft_wrap=True)


class BarDisplay(AbstractContextManager["BarDisplay"]):
    """A bar per host in the terminal. It redraws twice a second only: a guest on the same machine needs the cores."""

    def __init__(
        self, console: Console, hosts: tuple[str, ...], mask: Masker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._mask = mask
        column = Column(no_wrap=True, overflow=overflow(console))
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=column),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[far]}", table_column=column),
            TimeElapsedColumn(table_column=column),
            TimeRemainingColumn(table_column=column),
            console=console,
            refresh_per_second=2,
            transient=True,
            get_time=clock,
        )
        self._tasks: dict[str, TaskID] = {host: self._bars.add_task(escape(host), total=None, far="") for host in hosts}
        self._hosts: dict[str, _Line] = {host: _Line() for host in hosts}

    def __enter__(self) -> BarDisplay:
        self._bars.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._bars.stop()

    def start_case(self, host: str, case: str, number: int, total: int) -> None:
        """See Display."""
        self._hosts[host] = _Line(case, f"{number}/{total}")
        self._bars.reset(self._tasks[host], total=None, far="")

    def phase(self, host: str, text: str) -> None:
        """See Display."""
        line = self._hosts[host]
        line.text = text
        parts = (f"[bold]{escape(host)}[/]", f"{line.place} {escape(line.case)}".strip(), escape(self._mask(text)[:60]))
        task = self._bars.tasks[self._tasks[host]]
        task.total = task.finished_time = None  # to update() None says that nothing changes
        self._bars.update(task.id, description=" · ".join(filter(None, parts)), completed=0, far="")

    def progress(self, host: str, progress: Progress) -> None:
        """See Display."""
        if self._hosts[host].text != step_title(progress):
            self.phase(host, step_title(progress))
        if progress.done:
            share = progress.done / progress.total if progress.total else None  # rich forgets its speed when a total changes
            self._bars.update(self._tasks[host], total=share and 1.0, completed=share, far=escape(how_far(progress)))

    def end_case(self, host: str, case: str, status: str, seconds: float) -> None:
        """See Display."""
        self.message(f"{host} · {self._hosts[host].place} {case}: {status} after {seconds:.0f} s")

    def leave(self, host: str) -> None:
        """See Display."""
        self.phase(host, "done")

    def message(self, text: str) -> None:
        """See Display."""
        self._bars.console.print(self._mask(text), markup=False, highlight=False)


def make_display(console: Console, hosts: tuple[str, ...], mask: Masker) -> BarDisplay | PlainDisplay | CrowdDisplay:
    """Bars where somebody looks, lines where nobody does, counts where hosts are many; `mask` hides what is not to be shown."""
    if len(hosts) > MOST_LINES:
        return CrowdDisplay(console, hosts, mask)
    return BarDisplay(console, hosts, mask) if console.is_terminal else PlainDisplay(console, mask)
