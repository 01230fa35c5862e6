"""The short tables below a case in the terminal: its load scenarios and its sweep. All of their columns are in the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from utils.report.load_tables import KNEE, scenario_table, sweep_table
from utils.report.rows import status_cell
from utils.report.schema import CaseReport
from utils.report.table import Table
from utils.report.words import STATUSES

STYLES = {"OK": "green", "TAINTED": "yellow", "INVALID": "bold magenta", "FAILED": "bold red"}
TONES = {status_cell(status): STYLES[status] for status in STATUSES}
SHOWN = {
    "scenarios": ("scenario", "mode", "result", "loadgen", "status", "accuracy"),
    "sweep": ("batch", "clients", "core items/s", "p50 ms", "p99 ms", "status"),
}


def print_tables(console: Console, case: CaseReport) -> None:
    """Print a case's scenarios and its sweep, those there are."""
    for table in (*scenario_table(case), *sweep_table(case)):
        console.print(_indented(Text(f"\n{table.title}", style="bold")))
        console.print(_indented(grid(table, SHOWN[table.kind], _is_knee)))
        for note in table.notes:
            console.print(_indented(Text(note, style="dim")))


def grid(table: Table, shown: Sequence[str], bold: Callable[[str, Mapping[str, str]], bool]) -> Grid:
    """The columns `shown` of a table; `bold` is asked for each of them, and its row by the names of the columns."""
    made = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for name in shown:
        is_text = table.heads.index(name) < table.texts
        made.add_column(name.replace(" items/s", "\nitems/s"), justify="left" if is_text else "right", overflow="fold")
    for row in table.rows:
        cells = dict(zip(table.heads, row, strict=True))
        made.add_row(*(Text(cells[name], TONES.get(cells[name], "bold" if bold(name, cells) else "")) for name in shown))
    return made


def _is_knee(_: str, cells: Mapping[str, str]) -> bool:
    return cells.get("batch", "").endswith(KNEE)


def _indented(content: RenderableType) -> Padding:
    return Padding(content, (0, 1, 0, 3), expand=False)
