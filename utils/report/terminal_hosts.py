"""A run on several hosts in the terminal: for each case a row per host, the spread below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from utils.report.hosts import Group, groups
from utils.report.hosts_tables import hosts_table
from utils.report.schema import Report
from utils.report.table import Table
from utils.report.terminal_tables import grid
from utils.report.words import conditions, engine

LAYOUTS = (
    ("core items/s", "± %", "to median", "whole items/s", "speed-up", "accuracy", "p50 ms", "p99 ms", "MFU", "power"),
    ("core items/s", "± %", "to median", "speed-up", "accuracy", "p50 ms", "p99 ms"),
    ("core items/s", "to median", "accuracy", "p99 ms"),
)
"""The figures of a host, from the fullest table to the one that fits into 80 columns."""

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
    console.print(Padding(_fitting(console, table), (0, 1, 0, 1), expand=False))
    for note in table.notes:
        console.print(Padding(Text(note, style="dim"), (0, 1, 0, 1), expand=False))


def _fitting(console: Console, table: Table) -> Grid:
    unlimited = console.options.update(max_width=1000)
    for figures in LAYOUTS:
        fitting = grid(table, ("host", "status", *figures), lambda name, _: name in BOLD)
        if console.measure(fitting, options=unlimited).maximum + 2 <= console.width:
            break
    return fitting
