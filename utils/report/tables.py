"""All that stands behind a case's row, as tables of text; this file makes those of how it was measured."""

from __future__ import annotations

from collections.abc import Sequence

from utils.report.insight_tables import audit_table, difference_table, operator_tables, roofline_table
from utils.report.load_tables import scenario_table, sweep_table
from utils.report.schema import CaseReport, LatencyReport, PhaseReport
from utils.report.table import Table, engine_name, unless_empty
from utils.report.words import NOTHING, duration, half_width, interval, milliseconds, number, percent


def tables(case: CaseReport) -> list[Table]:
    """Return all that a case has data for, in the order in which one reads them."""
    makers = (
        latency_table,
        measured_table,
        scenario_table,
        sweep_table,
        difference_table,
        roofline_table,
        audit_table,
        operator_tables,
    )
    return [table for maker in makers for table in maker(case)]


def latency_table(case: CaseReport) -> list[Table]:
    """Every percentile with its upper bound, or how many queries it needs."""
    pair = ((engine_name(case), case.metrics.latency.inference), ("framework", case.metrics.latency.validation))
    shown = [(name, latency) for name, latency in pair if latency is not None]
    names = list(dict.fromkeys(name for _, latency in shown for name in latency.percentiles))
    rows = [(name, *_latency_cells(latency, names)) for name, latency in shown]
    bounded = any(one.upper_ms is not None for _, latency in shown for one in latency.percentiles.values())
    notes = ["≤: at 99 % confidence the true percentile is not above this."] if bounded else []
    title = f"Latency, ms per query of {case.batch_size or NOTHING} items"
    return unless_empty(Table("latency", title, ("", "queries", "min", "mean", *names, "max"), rows, 1, notes))


def measured_table(case: CaseReport) -> list[Table]:
    """How the figures came about: bounds, warm-up, cold figures, the loop's own cost."""
    figures = case.metrics
    columns = [
        ("", engine_name(case), _measured(figures.inference_core, figures.phases.inference)),
        ("framework", "framework", _measured(figures.validation_core, figures.phases.validation)),
    ]
    shown = [(name, facts) for _, name, facts in columns if any(value != NOTHING for value in facts.values())]
    rows = [(label, *(facts[label] for _, facts in shown)) for label in (shown[0][1] if shown else ())]
    if shown and shown[0][0] == engine_name(case):
        others = [NOTHING] * (len(shown) - 1)
        cold = (("compilation", figures.compile_seconds), ("loading the compiled engine", figures.load_seconds))
        rows += [(label, duration(seconds), *others) for label, seconds in cold]
    rows = [row for row in rows if any(cell != NOTHING for cell in row[1:])]
    return unless_empty(Table("measured", "How it was measured", ("", *(name for name, _ in shown)), rows, 1 + len(shown)))


def _latency_cells(latency: LatencyReport, names: Sequence[str]) -> list[str]:
    ends = (number(latency.min_ms), number(latency.mean_ms))
    return [f"{latency.count:,}", *ends, *(_bounded(latency, name) for name in names), number(latency.max_ms)]


def _bounded(latency: LatencyReport, name: str) -> str:
    one = latency.percentiles.get(name)
    if one is None:
        return NOTHING
    if one.latency_ms is None:
        return f"{NOTHING}\nneeds {one.samples_needed:,}"
    return number(one.latency_ms) + ("" if one.upper_ms is None else f"\n≤ {number(one.upper_ms)}")


def _measured(core: float | None, phase: PhaseReport | None) -> dict[str, str]:
    """One phase's facts; every phase has the same, so that they make columns."""
    phase = phase or PhaseReport()
    warmup = phase.warmup
    share = "" if phase.overhead_share is None else f", {percent(phase.overhead_share)} of the median"
    amounts = ((phase.queries, "queries"), (phase.items, "items"))
    found = [*(f"{value:,} {unit}" for value, unit in amounts if value is not None)]
    found += [] if phase.core_seconds is None else [f"{duration(phase.core_seconds)} of core"]
    stable = {True: ", stable", False: ", not stable", None: ""}
    bounds = phase.core_interval
    return {
        "core, items/s, at 99 %": NOTHING if bounds is None else f"{interval(bounds)} (±{half_width(core, bounds)}\u00a0%)",
        "measured": ", ".join(found) or NOTHING,
        "warm-up": NOTHING
        if warmup is None
        else f"{warmup.queries:,} queries, {duration(warmup.seconds)}{stable[warmup.stable]}",
        "first, cold query": NOTHING if warmup is None else milliseconds(warmup.first_ms),
        "own overhead per query": NOTHING if phase.overhead_ms is None else milliseconds(phase.overhead_ms) + share,
    }
