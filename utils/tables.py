"""Tables in the terminal: each fits into its width, and long names are broken where a reader would break them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tools.streams import readable

Shown = Sequence[str]
"""The columns that a table is made of, where there is no room for all."""

HEAD_LINE = Box(str(SIMPLE_HEAD), ascii=True)
"""A line below the heads, in every encoding: rich's own substitute has borders, and is too wide for them."""

WORDS = re.compile(r"(?<= )(?=[^ %])")
PIECES = re.compile(r"(?<=\w[/:_])(?=\w.)|(?<=[.@-])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")
"""Where a word may be broken: in a path, in `snake_case` and `CamelCase`, in a host's name; not in a number or before a lone s
of `items/s`."""


NO_BREAK = "\u00a0"


class Wrapped:
    """Text as `encoding` shows it, broken between words, a word that is too long between its parts, a part only without room.

    A no-break space is shown as a blank.
    """

    def __init__(self, text: str | Text, style: str = "", *, encoding: str) -> None:
        shown = _readable(text if isinstance(text, Text) else Text(text, style), encoding)
        self._lines = list(shown.split("\n", allow_blank=True)) or [Text()]

    def at(self, width: int) -> list[Text]:
        """The lines, none of them wider than `width`."""
        return [part for line in self._lines for part in _broken(line, width)]

    @property
    def widest(self) -> int:
        """What it takes up unbroken, in columns."""
        return max(line.cell_len for line in self._lines)

    @property
    def narrowest(self) -> int:
        """What it takes up where every natural break is one."""
        words = (word for line in self._lines for word in WORDS.split(line.plain))
        return max(cell_len(piece.rstrip(" ")) for word in words for piece in PIECES.split(word))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Its own limits, within those of the options."""
        return Measurement(self.narrowest, self.widest).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many lines as the width takes."""
        yield Text("\n").join(self.at(options.max_width))


class Grid:
    """A table with a line below its heads. `console` is where it is to fit, beside `margin` columns."""

    def __init__(self, console: Console, margin: int = 0, show_edge: bool = True, title: str | None = None) -> None:
        self._console, self._room = console, console.width - margin
        self._columns: list[list[Wrapped]] = []
        self.table = Table(
            box=HEAD_LINE,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=show_edge,
            header_style="bold",
            title=title,
            title_justify="left",
        )

    def add_column(self, head: str, is_text: bool = False, style: str = "") -> None:
        """A column; numbers stand to the right."""
        cell = Wrapped(head, encoding=self._console.encoding)
        self._columns.append([cell])
        self.table.add_column(cell, justify="left" if is_text else "right", style=style, vertical="top")

    def add_row(self, cells: Iterable[str | Text]) -> None:
        """A row, with a cell for each column."""
        wrapped = [Wrapped(cell, encoding=self._console.encoding) for cell in cells]
        for column, cell in zip(self._columns, wrapped, strict=True):
            column.append(cell)
        self.table.add_row(*wrapped)

    def fits(self) -> bool:
        """Whether nothing has to be broken."""
        return self._set([_widest(column) for column in self._columns]) <= 0

    def fit(self) -> bool:
        """Break what has to be, in the widest columns first; False where parts of words would have to be, which they then are."""
        widths = [_widest(column) for column in self._columns]
        least = [max(cell.narrowest for cell in column) for column in self._columns]
        excess = self._set(widths)
        while excess > 0 and widths != least:
            place = max((place for place, width in enumerate(widths) if width > least[place]), key=lambda one: widths[one])
            narrower = _widest_line(self._columns[place], widths[place] - 1)
            excess -= widths[place] - narrower
            widths[place] = narrower
        return self._set(widths) <= 0

    def _set(self, widths: Sequence[int]) -> int:
        """Let the columns have these widths; return by how much the table is too wide."""
        for column, width in zip(self.table.columns, widths, strict=True):
            column.width = width
        unlimited = self._console.options.update(max_width=100_000)
        return self._console.measure(self.table, options=unlimited).maximum - self._room


def fullest(wide: Sequence[Shown], narrow: Sequence[Shown], make: Callable[[Shown], Grid]) -> tuple[Grid, Shown]:
    """The first grid of `wide` that fits as it is, else the first of `narrow` that does with names broken, or the last."""
    for shown in wide:
        grid = make(shown)
        if grid.fits():
            return grid, shown
    for shown in narrow:
        grid = make(shown)
        if grid.fit():
            break
    return grid, shown


def _widest(column: Iterable[Wrapped]) -> int:
    return max(cell.widest for cell in column)


def _widest_line(column: Iterable[Wrapped], width: int) -> int:
    return max(line.cell_len for cell in column for line in cell.at(width))


def _readable(text: Text, encoding: str) -> Text:
    """The text as this encoding shows it, with its styles: what stands for a character may be longer than that."""
    if readable(text.plain, encoding) == text.plain:
        return text
    characters = text.divide(range(1, len(text)))
    for one in characters:
        one.plain = one.plain if one.plain == NO_BREAK else readable(one.plain, encoding)
    return Text("").join(characters)


def _broken(line: Text, width: int) -> list[Text]:
    """One line as several, each with its style; blanks at their ends are dropped."""
    offsets, used, place = [], 0, 0
    for word in WORDS.split(line.plain):
        for piece in [word] if cell_len(word.rstrip(" ")) <= width else PIECES.split(word):
            for part in [piece] if cell_len(piece.rstrip(" ")) <= width else chop_cells(piece, width):
                if used and used + cell_len(part.rstrip(" ")) > width:
                    offsets.append(place)
                    used = 0
                used, place = used + cell_len(part), place + len(part)
    lines = list(line.divide(offsets)) if offsets else [line.copy()]
    for one in lines:
        one.rstrip()
        one.plain = one.plain.replace(NO_BREAK, " ")
    return lines
