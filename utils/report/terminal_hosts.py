"""A run on several hosts in the terminal: for each case a row per host, the spread below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from utils.report.hosts import Group, groups
from utils.report.hosts_tables import hosts_table
from utils.report.schema import Report
from utils.report.terminal_tables import grid
from utils.report.words import conditions, engine
from utils.tables import Shown, Wrapped, fullest

LAYOUTS: Sequence[Shown] = (
    ("core items/s", "± %", "to median", "whole items/s", "speed-up", "accuracy", "p50 ms", "p99 ms", "MFU", "power"),
    ("core items/s", "± %", "to median", "speed-up", "accuracy", "p50 ms", "p99 ms"),
    ("core items/s", "to median", "accuracy", "p99 ms"),
)
"""The figures of a host, from the fullest table to the one that fits into 80 columns."""

NARROW: Sequence[Shown] = (LAYOUTS[-1], ("core items/s", "to median", "p99 ms"), ("core items/s", "to median"), ("core items/s",))
"""The figures where long names have to be broken."""

BOLD = ("host", "core items/s")


def print_over_hosts(console: Console, report: Report, footnotes: Sequence[str]) -> None:
    """Print each case with a row for each host that is shown."""
    for group in groups(report):
        _print_group(console, group, footnotes)


def _print_group(console: Console, group: Group, footnotes: Sequence[str]) -> None:
    first = group.first
    head = Text.assemble("\n ", (first.case, "bold"), f" {engine(first)} ", (conditions(first), "dim"))
    console.print(head)
    table = hosts_table(group, footnotes)
    fitting, _ = fullest(LAYOUTS, NARROW, lambda figures: grid(console, table, _is_bold, ("host", "status", *figures)))
    console.print(Padding(fitting.table, (0, 1, 0, 1), expand=False))
    for note in table.notes:
        console.print(Padding(Wrapped(note, "dim", encoding=console.encoding), (0, 1, 0, 1), expand=False))


def _is_bold(name: str, _: Mapping[str, str]) -> bool:
    return name in BOLD
