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
from utils.report.charts import Figure, latencies, latency_charts, monitor_charts
from utils.report.rows import PERCENTILES, Row, flat, footnotes, marker, row, withheld
from utils.report.schema import CaseReport, LatencyReport, Report

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
class Card:
    """All that the page shows of one case."""

    anchor: str
    case: CaseReport
    row: Row
    tiles: Sequence[tuple[str, str, str]]
    bars: Sequence[Bar]
    latencies: Sequence[tuple[str, Sequence[str]]]
    steps: Sequence[StepBar]
    reasons: Sequence[tuple[str, str, str | None]]
    settings: Sequence[Setting]
    facts: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    charts: Sequence[Figure]


def html(report: Report, folder: Path) -> str:
    """Return report.html of the run in `folder`, which holds the cases' latencies. What a guest wrote is escaped."""
    notes = footnotes(report)
    cards = [_card(place, case, notes, folder) for place, case in enumerate(report.cases)]
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
        footnotes=[f"{marker(place)} {note}" for place, note in enumerate(notes)],
        settings=_settings(report.run.host_config),
        words=words,
        worst=words.worst(report),
        percentiles=PERCENTILES,
        charts=[figure for card in cards for figure in card.charts],
        plotly_js=get_plotlyjs() if any(card.charts for card in cards) else "",
    )


def _card(place: int, case: CaseReport, notes: Sequence[str], folder: Path) -> Card:
    names = {"inference": _engine(case), "validation": "framework"}
    described = (("engine", case.engine), ("environment", case.environment), ("artifacts", case.artifacts))
    return Card(
        anchor=f"case-{place}",
        case=case,
        row=row(case, notes),
        tiles=_tiles(case),
        bars=_bars(case),
        latencies=_latency_rows(case),
        steps=_steps(case),
        reasons=[(one.kind, one.message, words.advice(case, one)) for one in case.reasons],
        settings=_settings(case.config),
        facts=[(name, flat(facts)) for name, facts in (*described, ("monitors", _monitors(case))) if facts],
        charts=latency_charts(latencies(folder / case.folder), names) + monitor_charts(case),
    )


def _engine(case: CaseReport) -> str:
    return case.compiler or "engine"


def _tiles(case: CaseReport) -> list[tuple[str, str, str]]:
    """The figures to be seen first, those that were measured: (name, value, what it is)."""
    figures = case.metrics
    quoted = (figures.inference_core, figures.accuracy_inference, figures.latency.inference)
    if case.compiler is None:
        quoted = (figures.validation_core, figures.accuracy_validation, figures.latency.validation)
    core, accuracy, latency = quoted
    found = [
        ("throughput", words.number(core), "items/s, core"),
        ("speed-up", words.ratio(figures.speedup), "vs. framework"),
        (
            figures.accuracy_metric or "accuracy",
            words.accuracy(accuracy),
            "of the engine" if case.compiler else "of the framework",
        ),
        *((name, _milliseconds(latency, name), "ms per query") for name in ("p50", "p99")),
        ("MFU", words.percent(figures.mfu), f"of {words.per_second(figures.peak_flops)}"),
        ("energy", words.number(figures.power.joules_per_item, 3), "J/item"),
        ("device memory", words.memory(figures.memory.device_used_max_bytes), "at most"),
    ]
    return [tile for tile in found if tile[1] != words.NOTHING]


def _bars(case: CaseReport) -> list[Bar]:
    """Engine beside framework, core and whole, on one scale."""
    figures = case.metrics
    values = [
        (f"{_engine(case)}, core", figures.inference_core, "inference"),
        ("framework, core", figures.validation_core, "validation"),
        (f"{_engine(case)}, whole", figures.inference_whole, "inference"),
        ("framework, whole", figures.validation_whole, "validation"),
    ]
    longest = max((value for _, value, _ in values if value), default=0.0)
    shown = [(label, value, phase) for label, value, phase in values if value is not None and longest]
    return [Bar(label, words.number(value), _share(value, longest), phase) for label, value, phase in shown]


def _latency_rows(case: CaseReport) -> list[tuple[str, Sequence[str]]]:
    pair = ((_engine(case), case.metrics.latency.inference), ("framework", case.metrics.latency.validation))
    return [(name, _latency_cells(latency)) for name, latency in pair if latency is not None]


def _latency_cells(latency: LatencyReport) -> list[str]:
    percentiles = [
        _milliseconds(latency, name) if withheld(latency, name) is None else _needs(latency, name) for name in PERCENTILES
    ]
    return [
        f"{latency.count:,}",
        words.number(latency.min_ms),
        words.number(latency.mean_ms),
        *percentiles,
        words.number(latency.max_ms),
    ]


def _milliseconds(latency: LatencyReport | None, name: str) -> str:
    percentile = latency.percentiles.get(name) if latency else None
    return words.number(percentile.latency_ms if percentile else None)


def _needs(latency: LatencyReport, name: str) -> str:
    return f"{words.NOTHING} needs {latency.percentiles[name].samples_needed:,}"


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
        return json.dumps(entry, ensure_ascii=False, default=str), ""
    return json.dumps(entry["value"], ensure_ascii=False, default=str), str(entry.get("origin", ""))


def _monitors(case: CaseReport) -> dict[str, Any]:
    """What the monitors say, without their series, which are drawn, and without what they do not report."""
    return {one.monitor: one.model_dump(exclude={"series", "monitor"}, exclude_none=True) for one in _reporting(case)}


def _reporting(case: CaseReport) -> Iterable[Any]:
    return (one for one in case.monitors if one.readings)
