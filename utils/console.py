"""The terminal, as all of run.py writes to it: what others wrote is shown there and steers nothing."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from utils.plain_text import plain


class PlainConsole(Console):
    """Rich's console; only rich itself, with its colours and its bars, has control of the terminal."""

    def __init__(self) -> None:
        super().__init__(highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See Console.render."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))
