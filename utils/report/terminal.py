"""A finished run in the terminal: one block of figures per case, then what a reader must know and where the files lie."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from utils.console import PlainConsole
from utils.report.hosts import shown as shown_cases
from utils.report.hosts_tables import PERCENTILES as HOST_PERCENTILES
from utils.report.rows import PERCENTILES, PhaseRow, footnotes, marker, row
from utils.report.schema import CaseReport, Report
from utils.report.terminal_hosts import print_over_hosts
from utils.report.terminal_tables import STYLES, print_tables
from utils.report.words import MARKS, advice, conditions, duration, engine, moment, verdict, worst


def print_report(report: Report, console: Console | None = None, folder: Path | None = None) -> None:
    """Print a run. `folder` is the run's; without it, nothing is said of where the files are."""
    console = console or PlainConsole()
    console.print()
    console.print(_title(report))
    if len(report.run.hosts) > 1:
        notes = footnotes(report, HOST_PERCENTILES)
        print_over_hosts(console, report, notes)
    else:
        figures, notes = _figures(console, report)
        console.print(figures)
    for place, note in enumerate(notes):
        console.print(Padding(Text(f"{marker(place)} {note}", style="dim"), (0, 1), expand=False))
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


def _figures(console: Console, report: Report) -> tuple[Table, list[str]]:
    """The fullest table that fits, with its footnotes: status in its own column, below the name, without p90, without MFU."""
    few = ("p50", "p99")
    layouts = ((True, PERCENTILES, True), (False, PERCENTILES, True), (False, few, True), (False, few, False))
    unlimited = console.options.update(max_width=1000)
    for own_status, shown, mfu in layouts:
        notes = footnotes(report, shown)
        table = _table(report, notes, own_status, shown, mfu)
        if console.measure(table, options=unlimited).maximum <= console.width:
            break
    return table, notes


def _table(report: Report, notes: Sequence[str], own_status: bool, shown: Sequence[str], mfu: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("case", min_width=14, overflow="fold", vertical="top")
    if own_status:
        table.add_column("status", no_wrap=True)
    table.add_column("", style="dim", no_wrap=True)
    heads = ["core\nitems/s", "\n±%", "whole\nitems/s", "speed\n-up", "accu-\nracy", *(f"{name}\nms" for name in shown)]
    for head in [*heads, "\nMFU"] if mfu else heads:
        table.add_column(head, justify="right", no_wrap=True)
    for place, case in enumerate(report.cases):
        if place:
            table.add_row()
        table.add_row(*_name(case, own_status), *_numbers(case, notes, shown)[: len(table.columns) - 1 - own_status])
    return table


def _name(case: CaseReport, own_status: bool) -> list[Text]:
    status = Text(f"{MARKS[case.status]} {case.status}", style=STYLES[case.status])
    lines = [Text(case.case, style="bold"), Text(engine(case)), Text(conditions(case), style="dim")]
    if own_status:
        return [Text("\n").join(lines), status]
    return [Text("\n").join([lines[0], status, *lines[1:]])]


def _numbers(case: CaseReport, notes: Sequence[str], shown: Sequence[str]) -> list[Text]:
    figures = row(case, notes, shown)
    mfu = Text.assemble(figures.mfu, ("\nmeasured" if figures.mfu_measured else "", "dim"))
    if case.compiler is None:
        return [Text("framework"), *_phase(figures.validation, None, ""), mfu]
    return [Text("engine\nframework"), *_phase(figures.inference, figures.validation, figures.speedup), mfu]


def _phase(first: PhaseRow, second: PhaseRow | None, speedup: str) -> list[Text]:
    """One cell for each figure, the engine's above the framework's, but one speed-up for both."""
    shown = [one for one in (first, second) if one is not None]
    columns = [(one.core, one.error, one.whole, "", one.accuracy, *one.percentiles) for one in shown]
    cells = ["\n".join(column) for column in zip(*columns, strict=True)]
    cells[3] = speedup
    return [Text(cell, style="bold" if place == 0 else "") for place, cell in enumerate(cells)]


def _print_case(console: Console, report: Report, case: CaseReport, folder: Path | None) -> None:
    facts = row(case, ()).facts
    if not (facts or case.reasons or case.notes or case.scenarios or case.sweep):
        return
    head = Text.assemble("\n ", (case.case, "bold"), " ", (engine(case), "dim"))
    if len(report.run.hosts) > 1:
        head.append(f" on {case.host}", style="dim")
    console.print(head)
    if facts:
        console.print(_item(_joined(facts, console.width - 4)))
    for reason in case.reasons:
        console.print(_item(f"{case.status} {reason.kind}: {reason.message}", STYLES[case.status]))
        next_step = advice(case, reason)
        if next_step:
            console.print(_item(f"→ {next_step}"))
    for note in case.notes:
        console.print(_item(f"note: {note}"))
    print_tables(console, case)
    if case.status == "FAILED":
        logs = folder / case.folder if folder else case.folder
        console.print(Text(f"   logs: {logs}", style="dim"), soft_wrap=True)


def _item(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 1, 0, 3), expand=False)


def _joined(facts: Sequence[tuple[str, str]], width: int) -> str:
    """The facts in lines of at most `width`, broken between two of them, never within one."""
    glued = [f"{name} {value}".replace(" ", "\u00a0") for name, value in facts]
    return textwrap.fill(" · ".join(glued), width, break_long_words=False).replace("\u00a0", " ")


def _print_files(console: Console, report: Report, folder: Path) -> None:
    files = Text.assemble(
        "\n report  ",
        (str(folder / "report.html"), "bold"),
        f"\n         report.md, report.json beside it; exit {report.run.exit_code}\n",
    )
    console.print(files, soft_wrap=True)
