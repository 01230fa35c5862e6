"""A finished run as one self-contained page: no network, no server, light or dark, on a phone and on paper."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from utils.report import words
from utils.report.build import HOST_LOG
from utils.report.charts import Figure, latencies, latency_charts, monitor_charts
from utils.report.curves import section_charts
from utils.report.hosts import groups, shown
from utils.report.html_hosts import hosts_card
from utils.report.insight_tables import NOT_PASSED, PASSED
from utils.report.rows import PERCENTILES, Row, flat, footnotes, is_mfu_measured, marker, row, status_cell
from utils.report.schema import CaseReport, LatencyReport, Report
from utils.report.table import Table, engine_name
from utils.report.tables import tables

TEMPLATE = "template.html.j2"


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value as text, how long (0..100) and of which phase."""

    label: str
    value: str
    length: float
    phase: str


@dataclass(frozen=True)
class StepBar:
    """One step's bar on the time line: where it begins and how long it is, percent of the whole case."""

    letter: str
    name: str
    outcome: str
    detail: str
    seconds: str
    memory: str
    begin: float
    length: float


@dataclass(frozen=True)
class Setting:
    """One key of a resolved configuration, its value as JSON and where that came from."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True)
class Section:
    """One table of the page with the charts that belong to it."""

    table: Table
    charts: Sequence[Figure]


@dataclass(frozen=True)
class Card:
    """All that the page shows of one case."""

    anchor: str
    case: CaseReport
    row: Row
    tiles: Sequence[tuple[str, str, str]]
    bars: Sequence[Bar]
    sections: Sequence[Section]
    steps: Sequence[StepBar]
    reasons: Sequence[tuple[str, str, str | None]]
    settings: Sequence[tuple[str, Sequence[Setting]]]
    facts: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    charts: Sequence[Figure]
    files: tuple[str, str]

    @property
    def drawn(self) -> list[Figure]:
        """All its charts, in the order in which the page shows them."""
        return [*(figure for section in self.sections for figure in section.charts), *self.charts]


def html(report: Report, folder: Path) -> str:
    """Return report.html of the run in `folder`, which holds the cases' latencies. What a guest wrote is escaped."""
    notes = footnotes(report)
    cards = [_card(place, case, notes, folder) for place, case in enumerate(shown(report))]
    anchors = {(card.case.case, card.case.framework, card.case.host): card.anchor for card in cards}
    several = [hosts_card(group, anchors, notes) for group in groups(report)] if len(report.run.hosts) > 1 else []
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        report=report,
        run=report.run,
        cards=cards,
        over_hosts=several,
        footnotes=[f"{marker(place)} {note}" for place, note in enumerate(notes)],
        settings=_settings(report.run.host_config),
        words=words,
        worst=words.worst(report),
        percentiles=PERCENTILES,
        tones={**{status_cell(status): status for status in words.STATUSES}, PASSED: "OK", NOT_PASSED: "INVALID"},
        charts=[figure for card in cards for figure in card.drawn],
        plotly_js=get_plotlyjs() if any(card.drawn for card in cards) else "",
    )


def _card(place: int, case: CaseReport, notes: Sequence[str], folder: Path) -> Card:
    names = {"inference": engine_name(case), "validation": "framework"}
    described = (("engine", case.engine), ("environment", case.environment), ("artifacts", case.artifacts))
    return Card(
        anchor=f"case-{place}",
        case=case,
        row=row(case, notes),
        tiles=_tiles(case),
        bars=_bars(case),
        sections=[Section(table, section_charts(table.kind, case)) for table in tables(case)],
        steps=_steps(case),
        reasons=[(one.kind, one.message, words.advice(case, one)) for one in case.reasons],
        settings=[("Configuration as resolved", _settings(case.config)), *_loadgen(case)],
        facts=[(name, flat(facts)) for name, facts in (*described, ("monitors", _monitors(case))) if facts],
        charts=latency_charts(latencies(folder / case.folder), names) + monitor_charts(case),
        files=("folder", case.folder) if (folder / case.folder).is_dir() else ("log of the run", HOST_LOG),
    )


def _tiles(case: CaseReport) -> list[tuple[str, str, str]]:
    """The figures to be seen first, those that were measured: (name, value, what it is)."""
    figures = case.metrics
    quoted = (figures.inference_core, figures.accuracy_inference, figures.latency.inference, row(case).inference)
    if case.compiler is None:
        quoted = (figures.validation_core, figures.accuracy_validation, figures.latency.validation, row(case).validation)
    core, accuracy, latency, texts = quoted
    measured = ", measured" if is_mfu_measured(figures) else ""
    error = "" if texts.error == words.NOTHING else f", ±{texts.error}\u00a0%"
    found = [
        ("core", words.number(core), f"items/s{error}"),
        ("speed-up", words.ratio(figures.speedup), "vs. framework"),
        (
            figures.accuracy_metric or "accuracy",
            words.accuracy(accuracy),
            "of the engine" if case.compiler else "of the framework",
        ),
        *((name, _milliseconds(latency, name), "ms per query") for name in ("p50", "p99")),
        ("MFU", words.percent(figures.mfu), f"of {words.per_second(figures.peak_flops)}" + measured),
        ("energy", words.number(figures.power.joules_per_item, 3), "J/item"),
        ("device memory", words.memory(figures.memory.device_used_max_bytes), "at most"),
    ]
    return [tile for tile in found if tile[1] != words.NOTHING]


def _bars(case: CaseReport) -> list[Bar]:
    """Engine beside framework, core and whole, on one scale."""
    figures = case.metrics
    values = [
        (f"{engine_name(case)}, core", figures.inference_core, "inference"),
        ("framework, core", figures.validation_core, "validation"),
        (f"{engine_name(case)}, whole", figures.inference_whole, "inference"),
        ("framework, whole", figures.validation_whole, "validation"),
    ]
    longest = max((value for _, value, _ in values if value), default=0.0)
    shown = [(label, value, phase) for label, value, phase in values if value is not None and longest]
    return [Bar(label, words.number(value), _share(value, longest), phase) for label, value, phase in shown]


def _milliseconds(latency: LatencyReport | None, name: str) -> str:
    percentile = latency.percentiles.get(name) if latency else None
    return words.number(percentile.latency_ms if percentile else None)


def _steps(case: CaseReport) -> list[StepBar]:
    ran = [(one.started, one.started + (one.seconds or 0.0)) for one in case.steps if one.started is not None]
    begin, end = (min(first for first, _ in ran), max(last for _, last in ran)) if ran else (0.0, 0.0)
    return [
        StepBar(
            letter=step.letter,
            name=step.name,
            outcome=step.outcome,
            detail=step.detail,
            seconds=words.duration(step.seconds),
            memory=words.memory(step.peak_memory_bytes),
            begin=0.0 if step.started is None else _share(step.started - begin, end - begin),
            length=_share(step.seconds or 0.0, end - begin),
        )
        for step in case.steps
    ]


def _share(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole > 0 else 0.0


def _settings(config: Mapping[str, Any]) -> list[Setting]:
    return [Setting(key, *_value_and_origin(entry)) for key, entry in config.items()]


def _value_and_origin(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, Mapping) or "value" not in entry:
        return entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False, default=str), ""
    return json.dumps(entry["value"], ensure_ascii=False, default=str), str(entry.get("origin", ""))


def _loadgen(case: CaseReport) -> list[tuple[str, Sequence[Setting]]]:
    """Each scenario's settings, and what loadgen's own summary says."""
    return [
        (f"loadgen, {one.name}: {what}", _settings(settings))
        for one in case.scenarios
        for what, settings in (("settings", one.settings), ("its summary", one.loadgen))
    ]


def _monitors(case: CaseReport) -> dict[str, Any]:
    """What the monitors say, without their series, which are drawn, and without what they do not report."""
    return {one.monitor: one.model_dump(exclude={"series", "monitor"}, exclude_none=True) for one in _reporting(case)}


def _reporting(case: CaseReport) -> Iterable[Any]:
    return (one for one in case.monitors if one.readings)
