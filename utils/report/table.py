"""A table of text, which terminal, Markdown and HTML lay out each in its way; and what all makers of tables need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utils.report.schema import CaseReport, LatencyReport
from utils.report.words import number


@dataclass(frozen=True)
class Table:
    """One table: `kind` names its subject. The first `texts` columns are text, the others numbers; a second line in a cell is
    less important than the first. `notes` stand below it. `files`, paths below the case's folder, are named after them as
    `files_are`."""

    kind: str
    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    notes: Sequence[str] = ()
    files: Sequence[str] = ()
    files_are: str = ""


def engine_name(case: CaseReport) -> str:
    """The engine's name; where it has none, that it is the engine."""
    return case.compiler or "engine"


def unless_empty(table: Table) -> list[Table]:
    """A table without rows is none."""
    return [table] if table.rows else []


def percentile_cell(latency: LatencyReport | None, name: str) -> str:
    """A percentile in ms; a dash where there is none, or it is withheld."""
    one = latency.percentiles.get(name) if latency else None
    return number(one.latency_ms if one else None)
