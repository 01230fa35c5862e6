"""A finished run as GitHub Markdown, made to be attached to a vendor's pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from utils.report.hosts import Group, groups, shown
from utils.report.hosts_tables import hosts_table, spread_table
from utils.report.rows import flat, footnotes, marker, row
from utils.report.schema import CaseReport, Report
from utils.report.table import Table
from utils.report.tables import tables
from utils.report.words import MARKS, NOTHING, advice, clean, conditions, duration, engine, moment, verdict

HEADS = (
    "case", "engine", "precision", "batch", "status", "engine core", "± %", "engine whole", "framework core", "framework whole",
    "speed-up", "accuracy", "framework accuracy", "p50 ms", "p90 ms", "p99 ms", "MFU", "power",
)  # fmt: skip
TEXT_HEADS = 5
"""The first so many columns are text; the others are numbers, set to the right."""


def markdown(report: Report) -> str:
    """Return report.md. Whatever a guest wrote is escaped."""
    notes = footnotes(report)
    parts = [_head(report), _table(report, notes), *(f"{marker(place)} {note}" for place, note in enumerate(notes))]
    parts += [_over_hosts(group) for group in groups(report) if len(group.cases) > 1]
    parts += [_case(case) for case in shown(report)]
    parts.append(_conditions(report))
    return "\n\n".join(parts) + "\n"


def escape(text: object) -> str:
    """Return text that GitHub shows as it is: nothing in it makes a table cell, a link, a mention or HTML."""
    plain = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", clean(text).replace("&", "&amp;"))
    return plain.replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b").replace("\n", "<br>")


def _head(report: Report) -> str:
    run = report.run
    facts = [f"{moment(run.started)}", duration(run.seconds), f"vendor {escape(run.vendor)}", f"runtime {escape(run.runtime)}"]
    return f"# Accelmark {escape(run.id)}: {verdict(report)}\n\n{' · '.join(facts)}"


def _table(report: Report, notes: Sequence[str]) -> str:
    several = len(report.run.hosts) > 1
    heads = ("host", *HEADS) if several else HEADS
    texts = TEXT_HEADS + several
    lines = [heads, ["---" if place < texts else "--:" for place in range(len(heads))]]
    lines += [([escape(case.host)] if several else []) + _cells(case, notes) for case in shown(report)]
    note = "`core` and `whole` in items per second: the calls alone, and with data loading and evaluation. ± %: at 99 %."
    return _grid(lines) + f"\n\n{note}"


def _over_hosts(group: Group) -> str:
    """A case's spread between its hosts, under the remarks on who is off, not measured or not shown."""
    first = group.cases[0]
    remarks = "\n".join(f"- {escape(note)}" for note in hosts_table(group).notes)
    title = f"## {escape(first.case)} ({escape(first.framework)}) over {len(group.cases):,} hosts"
    table = spread_table(group)
    return "\n\n".join([part for part in (title, remarks, _section(table) if table.rows else "") if part])


def _grid(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(case: CaseReport, notes: Sequence[str]) -> list[str]:
    figures = row(case, notes)
    engine_figures, framework = figures.inference, figures.validation
    mfu = f"{figures.mfu} (measured peak)" if figures.mfu_measured else figures.mfu
    quoted = engine_figures if case.compiler else framework
    texts = (case.case, engine(case), case.precision or NOTHING, NOTHING if case.batch_size is None else case.batch_size)
    return [
        *map(escape, texts),
        f"{MARKS[case.status]} {case.status}",
        *(engine_figures.core, quoted.error, engine_figures.whole, framework.core, framework.whole, figures.speedup),
        *(engine_figures.accuracy, framework.accuracy, *quoted.percentiles, mfu, figures.power),
    ]


def _case(case: CaseReport) -> str:
    lines = [
        f"## {escape(case.case)} on {escape(engine(case))} ({escape(conditions(case))}), {escape(case.host)}: {case.status}",
        "",
    ]
    lines += [f"- {escape(case.framework)}, data {escape(case.data)}, runtime {case.runtime}"]
    for reason in case.reasons:
        lines.append(f"- **{case.status} {escape(reason.kind)}**: {escape(reason.message)}")
        next_step = advice(case, reason)
        lines += [f"  - next: {next_step}"] if next_step else []
    lines += [f"- {escape(note)}" for note in case.notes]
    lines += [f"- {name}: {value}" for name, value in row(case).facts]
    lines += _listed("engine", flat(case.engine))
    lines += _listed("environment", flat(case.environment))
    return "\n\n".join(["\n".join(lines), *map(_section, tables(case))])


def _section(table: Table) -> str:
    """One table below its title; what it names of files lies below the case's folder."""
    marks = ["---" if place < table.texts else "--:" for place in range(len(table.heads))]
    rows = [[escape(cell) for cell in row] for row in table.rows]
    grid = _grid([[escape(head) for head in table.heads], marks, *rows])
    notes = [f"- {escape(note)}" for note in table.notes]
    notes += [f"- {table.files_are}: {escape(', '.join(table.files))}"] if table.files else []
    return "\n\n".join([f"### {escape(table.title)}", grid, *(["\n".join(notes)] if notes else [])])


def _conditions(report: Report) -> str:
    run = report.run
    chips = {f"{case.host}: {chip}": None for case in report.cases for chip in _chips(case)}
    lines = ["## Conditions", "", *(f"- {escape(chip)}" for chip in chips)]
    lines += [f"- configuration: {escape(run.config_file)}"]
    lines += [f"- resumed {', '.join(map(moment, run.resumed))}, after it had ended early"] if run.resumed else []
    lines += [f"- overridden on the command line: {escape(', '.join(run.overrides))}"] if run.overrides else []
    return "\n".join(lines + _listed("versions", flat(run.versions)))


def _chips(case: CaseReport) -> list[str]:
    """The chips that were monitored, and are those that the case's numbers are of."""
    return [one.chip for one in case.monitors if one.chip and one.of_what_was_measured]


def _listed(name: str, items: Iterable[tuple[str, object]]) -> list[str]:
    text = "; ".join(f"{escape(key)} {escape(value)}" for key, value in items)
    return [f"- {name}: {text}"] if text else []
