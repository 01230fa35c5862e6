"""From what the guest measured to what report.json has of it: nanoseconds become milliseconds, a percent becomes a name."""

from __future__ import annotations

from typing import Any

from tools.contract import Latency, Percentile, Phase, Result, Scenario, SweepPoint, WarmUp
from utils.report.schema import (
    DeviceReport,
    IntervalReport,
    LatencyReport,
    PercentileReport,
    PhaseReport,
    ReasonReport,
    ScenarioReport,
    SweepPointReport,
    WarmUpReport,
)

MEDIAN = 50.0


def latency_report(latency: Latency | None) -> LatencyReport | None:
    """Latencies in milliseconds, percentiles by name."""
    if latency is None:
        return None
    return LatencyReport(
        count=latency.count,
        min_ms=latency.min_ns / 1e6,
        mean_ms=latency.mean_ns / 1e6,
        max_ms=latency.max_ns / 1e6,
        percentiles={f"p{one.percent:g}": _percentile(one) for one in latency.percentiles},
    )


def phase_report(phase: Phase | None) -> PhaseReport | None:
    """How a phase came by its figures; the figures themselves stand flat in Metrics."""
    if phase is None:
        return None
    median = _median_ns(phase)
    return PhaseReport(
        device=DeviceReport.model_validate(phase.device) if phase.device else None,
        items=phase.items,
        queries=phase.queries,
        whole_seconds=phase.whole_seconds,
        core_seconds=phase.core_seconds,
        core_interval=_interval(phase),
        warmup=_warmup(phase.warmup),
        overhead_ms=_milliseconds(phase.overhead_ns),
        overhead_share=phase.overhead_ns / median if phase.overhead_ns is not None and median else None,
    )


def sections(result: Result) -> dict[str, Any]:
    """What a CaseReport has beside its figures, as its fields by name."""
    return {
        "difference": result.difference,
        "validation_difference": result.validation_difference,
        "sweep": [sweep_point_report(point) for point in result.sweep],
        "scenarios": [scenario_report(scenario) for scenario in result.scenarios],
        "audit": result.audit,
        "profiles": result.profiles,
    }


def sweep_point_report(point: SweepPoint) -> SweepPointReport:
    """One point of the sweep; one that failed has no figures."""
    phase = point.phase
    return SweepPointReport(
        batch_size=point.batch_size,
        clients=point.clients,
        status=point.status,  # type: ignore[arg-type]  # pydantic looks
        reasons=[ReasonReport.model_validate(doubt) for doubt in (phase.doubts if phase else ())],
        knee=point.knee,
        core=phase.core if phase else None,
        whole=phase.whole if phase else None,
        core_interval=_interval(phase),
        accuracy=phase.accuracy if phase else None,
        latency=latency_report(phase.latency if phase else None),
        compile_seconds=point.compile_seconds,
        detail=point.detail,
    )


def scenario_report(scenario: Scenario) -> ScenarioReport:
    """One of loadgen's scenarios."""
    taken = ("name", "mode", "status", "value", "unit", "valid", "accuracy", "samples", "seconds", "folder")
    return ScenarioReport(
        **{name: getattr(scenario, name) for name in taken},
        reasons=[ReasonReport.model_validate(reason) for reason in scenario.reasons],
        notes=list(scenario.notes),
        latency=latency_report(scenario.latency),
        settings=dict(scenario.settings),
        loadgen=dict(scenario.loadgen),
    )


def _percentile(one: Percentile) -> PercentileReport:
    return PercentileReport(
        latency_ms=_milliseconds(one.latency_ns), upper_ms=_milliseconds(one.upper_ns), samples_needed=one.samples_needed
    )


def _interval(phase: Phase | None) -> IntervalReport | None:
    return None if phase is None or phase.core_interval is None else IntervalReport.model_validate(phase.core_interval)


def _warmup(warmup: WarmUp | None) -> WarmUpReport | None:
    if warmup is None or not warmup.queries:
        return None
    return WarmUpReport(
        queries=warmup.queries, seconds=warmup.seconds, first_ms=_milliseconds(warmup.first_ns), stable=warmup.stable
    )


def _median_ns(phase: Phase) -> int | None:
    found = [one.latency_ns for one in (phase.latency.percentiles if phase.latency else ()) if one.percent == MEDIAN]
    return found[0] if found else None


def _milliseconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6
