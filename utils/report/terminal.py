"""A finished run in the terminal: one block of figures per case, then what a reader must know and where the files lie."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from utils.console import PlainConsole
from utils.report.build import HOST_LOG
from utils.report.hosts import shown as shown_cases
from utils.report.hosts_tables import PERCENTILES as HOST_PERCENTILES
from utils.report.rows import PERCENTILES, PhaseRow, footnotes, marker, row
from utils.report.schema import CaseReport, Report
from utils.report.terminal_hosts import print_over_hosts
from utils.report.terminal_tables import STYLES, print_tables
from utils.report.words import MARKS, advice, conditions, duration, engine, moment, verdict, worst
from utils.tables import Grid, Shown, Wrapped, fullest

STATUS = "status"
HEADS = {
    "core": "core\nitems/s", "±%": "\n±%", "whole": "whole\nitems/s", "speed-up": "speed\n-up", "accuracy": "accu-\nracy",
    **{name: f"{name}\nms" for name in PERCENTILES}, "MFU": "\nMFU",
}  # fmt: skip
WIDE: Sequence[Shown] = (
    (STATUS, *HEADS),
    tuple(HEADS),
    tuple(name for name in HEADS if name != "p90"),
    tuple(name for name in HEADS if name not in ("p90", "MFU")),
)
"""What of a case is shown in its row, from the fullest table to the one that fits into 80 columns."""

NARROW: Sequence[Shown] = (
    WIDE[-1],
    ("core", "±%", "speed-up", "accuracy", "p50", "p99"),
    ("core", "±%", "speed-up", "accuracy", "p99"),
    ("core", "speed-up", "p99"),
    ("core",),
)
"""What is shown where long names have to be broken."""


def print_report(report: Report, console: Console | None = None, folder: Path | None = None) -> None:
    """Print a run. `folder` is the run's, with its files; without it, nothing is said of where the files are."""
    console = console or PlainConsole()
    console.print()
    console.print(_title(report))
    if len(report.run.hosts) > 1:
        notes = footnotes(report, HOST_PERCENTILES)
        print_over_hosts(console, report, notes)
    else:
        grid, figures = fullest(WIDE, NARROW, partial(_grid, console, report))
        notes = _notes(report, figures)
        console.print(grid.table)
    for place, note in enumerate(notes):
        console.print(Padding(Wrapped(f"{marker(place)} {note}", "dim", encoding=console.encoding), (0, 1), expand=False))
    for case in shown_cases(report):
        _print_case(console, report, case, folder)
    if folder is not None:
        _print_files(console, report, folder)


def _title(report: Report) -> Text:
    run = report.run
    title = Text.assemble(" ", ("Accelmark ", "bold"), run.id, "  ", (verdict(report), STYLES[worst(report)]))
    title.append(f"\n {run.vendor}, {run.runtime}, {run.config_file}, {duration(run.seconds)}", style="dim")
    if run.resumed:
        title.append(f"\n begun {moment(run.started)}, resumed {', '.join(map(moment, run.resumed))}", style="yellow")
    if run.overrides:
        title.append(f"\n overridden: {'  '.join(run.overrides)}", style="yellow")
    return title


def _grid(console: Console, report: Report, shown: Shown) -> Grid:
    grid = Grid(console)
    grid.add_column("case", is_text=True)
    if STATUS in shown:
        grid.add_column(STATUS, is_text=True)
    grid.add_column("", is_text=True, style="dim")
    figures = [name for name in shown if name != STATUS]
    for name in figures:
        grid.add_column(HEADS[name])
    for place, case in enumerate(report.cases):
        if place:
            grid.add_row([""] * len(grid.table.columns))
        numbers = _numbers(case, _notes(report, shown))
        grid.add_row([*_name(case, STATUS in shown), _phases(case), *(numbers[name] for name in figures)])
    return grid


def _notes(report: Report, shown: Shown) -> list[str]:
    return footnotes(report, [name for name in shown if name in PERCENTILES])


def _name(case: CaseReport, own_status: bool) -> list[Text]:
    status = Text(f"{MARKS[case.status]}\u00a0{case.status}", style=STYLES[case.status])
    lines = [Text(case.case, style="bold"), Text(engine(case)), Text(conditions(case), style="dim")]
    if own_status:
        return [Text("\n").join(lines), status]
    return [Text("\n").join([lines[0], status, *lines[1:]])]


def _phases(case: CaseReport) -> str:
    return "engine\nframework" if case.compiler else "framework"


def _numbers(case: CaseReport, notes: Sequence[str]) -> dict[str, Text]:
    """Each figure's cell, the engine's above the framework's, but one speed-up and one MFU for both."""
    figures = row(case, notes, PERCENTILES)
    phases = [figures.inference, figures.validation] if case.compiler else [figures.validation]
    cells = [_phase(one) for one in phases]
    stacked = {name: Text("\n".join(cell[name] for cell in cells), "bold" if name == "core" else "") for name in cells[0]}
    mfu = Text.assemble(figures.mfu, ("\nmeasured" if figures.mfu_measured else "", "dim"))
    return {**stacked, "speed-up": Text(figures.speedup if case.compiler else ""), "MFU": mfu}


def _phase(phase: PhaseRow) -> dict[str, str]:
    percentiles = dict(zip(PERCENTILES, phase.percentiles, strict=True))
    return {"core": phase.core, "±%": phase.error, "whole": phase.whole, "accuracy": phase.accuracy, **percentiles}


def _print_case(console: Console, report: Report, case: CaseReport, folder: Path | None) -> None:
    facts = row(case, ()).facts
    if not (facts or case.reasons or case.notes or case.scenarios or case.sweep):
        return
    head = Text.assemble("\n ", (case.case, "bold"), " ", (engine(case), "dim"))
    if len(report.run.hosts) > 1:
        head.append(f" on {case.host}", style="dim")
    console.print(head)
    if facts:
        console.print(_item(console, _joined(facts, console.width - 4)))
    for reason in case.reasons:
        console.print(_item(console, f"{case.status} {reason.kind}: {reason.message}", STYLES[case.status]))
        next_step = advice(case, reason)
        if next_step:
            console.print(_item(console, f"→ {next_step}"))
    for note in case.notes:
        console.print(_item(console, f"note: {note}"))
    print_tables(console, case)
    if case.status == "FAILED":
        console.print(Text(f"   logs: {_logs(case, folder)}", style="dim"), soft_wrap=True)


def _logs(case: CaseReport, folder: Path | None) -> str | Path:
    """Where to look for what happened: a case that never began has no folder of its own."""
    if folder is None:
        return case.folder
    return folder / (case.folder if (folder / case.folder).is_dir() else HOST_LOG)


def _item(console: Console, text: str, style: str = "") -> Padding:
    return Padding(Wrapped(text, style, encoding=console.encoding), (0, 1, 0, 3), expand=False)


def _joined(facts: Sequence[tuple[str, str]], width: int) -> str:
    """The facts in lines of at most `width`, broken between two of them, never within one."""
    glued = [f"{name} {value}".replace(" ", "\u00a0") for name, value in facts]
    return textwrap.fill(" · ".join(glued), width, break_long_words=False)


def _print_files(console: Console, report: Report, folder: Path) -> None:
    """The page to open, and what lies beside it: a page that could not be made is not named."""
    page, *others = [name for name in ("report.html", "report.md", "report.json") if (folder / name).is_file()] or [""]
    beside = f"{', '.join(others)} beside it; " if others else ""
    exit_code = f"\n         {beside}exit {report.run.exit_code}\n"
    console.print(Text.assemble("\n report  ", (str(folder / page), "bold"), exit_code), soft_wrap=True)
