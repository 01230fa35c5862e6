"""The short tables below a case in the terminal: its load scenarios and its sweep. All of their columns are in the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from utils.report.load_tables import KNEE, scenario_table, sweep_table
from utils.report.rows import status_cell
from utils.report.schema import CaseReport
from utils.report.table import Table
from utils.report.words import STATUSES
from utils.tables import Grid, Shown, Wrapped, fullest

STYLES = {"OK": "green", "TAINTED": "yellow", "INVALID": "bold magenta", "FAILED": "bold red"}
TONES = {status_cell(status): STYLES[status] for status in STATUSES}
MARGINS = (3, 1)
"""Columns to the left and to the right of a table."""

SHOWN: dict[str, Sequence[Shown]] = {
    "scenarios": (
        ("scenario", "mode", "result", "loadgen", "status", "accuracy"),
        ("scenario", "mode", "result", "status"),
        ("scenario", "result", "status"),
    ),
    "sweep": (
        ("batch", "clients", "core items/s", "p50 ms", "p99 ms", "status"),
        ("batch", "clients", "core items/s", "status"),
    ),
}


def print_tables(console: Console, case: CaseReport) -> None:
    """Print a case's scenarios and its sweep, those there are."""
    for table in (*scenario_table(case), *sweep_table(case)):
        console.print(_indented(Text(f"\n{table.title}", style="bold")))
        shown, _ = fullest((), SHOWN[table.kind], partial(grid, console, table, _is_knee))
        console.print(_indented(shown.table))
        for note in table.notes:
            console.print(_indented(Wrapped(note, "dim", encoding=console.encoding)))


def grid(console: Console, table: Table, bold: Callable[[str, Mapping[str, str]], bool], shown: Shown) -> Grid:
    """The columns `shown` of a table; `bold` is asked for each of them, and its row by the names of the columns."""
    made = Grid(console, margin=sum(MARGINS), show_edge=False)
    for name in shown:
        made.add_column(name.replace(" items/s", "\nitems/s"), is_text=table.heads.index(name) < table.texts)
    for row in table.rows:
        cells = dict(zip(table.heads, row, strict=True))
        made.add_row(_cell(cells[name], bold(name, cells)) for name in shown)
    return made


def _cell(text: str, is_bold: bool) -> Text:
    if text in TONES:
        return Text(text.replace(" ", "\u00a0"), TONES[text])
    return Text(text, "bold" if is_bold else "")


def _is_knee(_: str, cells: Mapping[str, str]) -> bool:
    return cells.get("batch", "").endswith(KNEE)


def _indented(content: RenderableType) -> Padding:
    return Padding(content, (0, MARGINS[1], 0, MARGINS[0]), expand=False)
