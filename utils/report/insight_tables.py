"""Tables of what was learnt beside the numbers: numeric difference, distance from the peak, audit, operators."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from utils.report.schema import CaseReport, CostReport, Metrics, PeakReport, ProfileReport, RooflineReport
from utils.report.table import Table, engine_name, unless_empty
from utils.report.words import NOTHING, number, per_second, percent, prefixed, quantity

MOST_OPERATORS = 10
PASSED, NOT_PASSED = "✓ passed", "✗ failed"
Rows = Iterable[tuple[str, str, str]]


def difference_table(case: CaseReport) -> list[Table]:
    """Outputs beside outputs on the same inputs."""
    pair = ((engine_name(case), case.difference), ("framework", case.validation_difference))
    heads = ("", "against", "elements", "mean", "p99.9", "max", "cosine", "NaN", "infinite")
    rows = [
        (
            name,
            one.against + _below("up to", number(one.scale, 3)),
            f"{one.elements:,}",
            number(one.mean_absolute, 3) + _below("relative", number(one.mean_relative, 3)),
            number(one.p999_absolute, 3),
            number(one.max_absolute, 3) + _below("relative", number(one.max_relative, 3)),
            _cosine(one.cosine) + _below("lowest", _cosine(one.lowest_cosine)),
            *(_count(*counts) for counts in ((one.nan, one.reference_nan), (one.infinite, one.reference_infinite))),
        )
        for name, one in pair
        if one is not None
    ]
    notes = ["Over the outputs that are finite on both sides; mean, p99.9 and max are absolute, below them what is relative."]
    return unless_empty(Table("difference", "Numeric difference of the outputs", heads, rows, 2, notes))


def roofline_table(case: CaseReport) -> list[Table]:
    """The chip's peaks, the model's cost, and which of the two peaks bounds it."""
    figures = case.metrics
    if figures.cost is None and figures.peak is None and figures.roofline is None:
        return []
    rows = [*_reached(figures), *_bound(figures.roofline), *_cost(figures.cost), *_peak(figures.peak)]
    shown = [row for row in rows if row[1] != NOTHING]
    return unless_empty(Table("roofline", "How far from the peak", ("", "", ""), shown, 3))


def audit_table(case: CaseReport) -> list[Table]:
    """The compliance checks."""
    words = {True: PASSED, False: NOT_PASSED, None: "not made"}
    rows = [(check.name, words[check.passed], check.detail) for check in case.audit]
    return unless_empty(Table("audit", "Audit", ("check", "result", ""), rows, 3))


def operator_tables(case: CaseReport) -> list[Table]:
    """The costliest operators of each profiled pass."""
    return [table for profile in case.profiles for table in _operators(profile)]


def _cosine(value: float | None) -> str:
    """A cosine so near to 1 that four digits would hide how near."""
    close = value is not None and 0.999 < value < 1
    return f"1 - {number(1 - cast('float', value), 2).replace('e-0', 'e-')}" if close else number(value)


def _count(engine: int, reference: int) -> str:
    return f"{engine:,}" + (f"\nreference {reference:,}" if reference else "")


def _below(name: str, value: str) -> str:
    """A cell's second line, where there is something to say."""
    return "" if value == NOTHING else f"\n{name} {value}"


def _reached(figures: Metrics) -> Rows:
    yield "reached", per_second(figures.flops_per_second), f"{prefixed(figures.flops_per_item, 'FLOP')} per item"
    yield "MFU", percent(figures.mfu), f"of {per_second(figures.peak_flops)}, {figures.mfu_source}"


def _bound(position: RooflineReport | None) -> Rows:
    if position is not None:
        ridge = f"the ridge is at {number(position.ridge, 3)}, so {position.bound} bounds it"
        yield "arithmetic intensity", quantity(position.intensity, "FLOP/byte"), ridge
        yield "attainable there", per_second(position.attainable_flops), f"{percent(position.attained)} of that was reached"


def _cost(cost: CostReport | None) -> Rows:
    if cost is not None:
        left_out = f"without {', '.join(cost.uncounted)}" if cost.uncounted else ""
        yield "counted in the graph", prefixed(cost.flops_per_item, "FLOP"), f"per item {left_out}".strip()
        yield "moved at least", prefixed(cost.bytes_per_query, "B"), "per query: weights once, inputs, outputs"


def _peak(peak: PeakReport | None) -> Rows:
    if peak is not None:
        yield f"peak at {peak.precision}, {peak.source}", per_second(peak.flops), peak.detail
        yield f"memory, {peak.source}", prefixed(peak.bytes_per_second, "B/s"), ""


def _operators(profile: ProfileReport) -> list[Table]:
    rows = [
        (one.name, f"{one.calls:,}", quantity(one.seconds * 1000, "ms"), percent(one.share))
        for one in profile.operators[:MOST_OPERATORS]
    ]
    title = f"Operators in {profile.phase}, by {profile.by}"
    notes = [profile.detail] if profile.detail else []
    more = len(profile.operators) - MOST_OPERATORS
    notes += [f"and {more} more in report.json"] if more > 0 else []
    heads = ("operator", "calls", "own time", "share")
    trace = [profile.trace] if profile.trace else []
    return unless_empty(Table("operators", title, heads, rows, 1, notes, trace, "trace, for ui.perfetto.dev"))
