"""One case's row of figures as text, and the footnotes for what was withheld; terminal, Markdown and HTML only lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.report.schema import CaseReport, LatencyReport, Metrics, PhaseReport, Report, SpreadReport
from utils.report.words import MARKS, NOTHING, accuracy, device, half_width, memory, number, per_second, percent, quantity, ratio

PERCENTILES = ("p50", "p90", "p99")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class PhaseRow:
    """What the engine or the framework achieved: items per second, the error of core (± %), accuracy, latencies in
    milliseconds."""

    core: str
    error: str
    whole: str
    accuracy: str
    percentiles: Sequence[str]


@dataclass(frozen=True)
class Row:
    """One case on one host; `mfu_measured` tells whether MFU's peak was measured, not published. `facts` are the further figures
    that were measured, as (name, value)."""

    inference: PhaseRow
    validation: PhaseRow
    speedup: str
    power: str
    mfu: str
    mfu_measured: bool
    facts: Sequence[tuple[str, str]]


def row(case: CaseReport, notes: Sequence[str] = (), shown: Sequence[str] = PERCENTILES) -> Row:
    """Return a case's figures; a withheld percentile points to its place in `notes`, which are footnotes()."""
    figures = case.metrics
    return Row(
        inference=PhaseRow(
            core=number(figures.inference_core),
            error=_error(figures.inference_core, figures.phases.inference),
            whole=number(figures.inference_whole),
            accuracy=accuracy(figures.accuracy_inference),
            percentiles=_percentiles(figures.latency.inference, notes, shown),
        ),
        validation=PhaseRow(
            core=number(figures.validation_core),
            error=_error(figures.validation_core, figures.phases.validation),
            whole=number(figures.validation_whole),
            accuracy=accuracy(figures.accuracy_validation),
            percentiles=_percentiles(figures.latency.validation, notes, shown),
        ),
        speedup=ratio(figures.speedup),
        power=quantity(figures.power.mean_watts, "W"),
        mfu=percent(figures.mfu),
        mfu_measured=is_mfu_measured(figures),
        facts=facts(case),
    )


def is_mfu_measured(figures: Metrics) -> bool:
    """Whether MFU is the share of a peak that was measured in the same run, not of a published one."""
    return figures.mfu is not None and figures.mfu_source == "measured"


def status_cell(status: str) -> str:
    """Return a status with its mark."""
    return f"{MARKS[status]} {status}"


def facts(case: CaseReport) -> list[tuple[str, str]]:
    """Return the figures beside throughput and latency, those that were measured, as (name, value)."""
    figures, power = case.metrics, case.metrics.power
    found = [
        ("device", device(case)),
        ("MFU", percent(figures.mfu) + (" of the measured peak" if is_mfu_measured(figures) else "")),
        ("compute", per_second(figures.flops_per_second)),
        ("process memory", memory(figures.memory.process_peak_bytes)),
        ("allocator memory", memory(figures.memory.allocator_peak_bytes)),
        ("device memory", _of(memory(figures.memory.device_used_max_bytes), memory(figures.memory.device_total_bytes))),
        ("power", quantity(power.mean_watts, "W")),
        ("power up to", quantity(power.max_watts, "W")),
        ("energy", quantity(power.joules_per_item, "J/item")),
        ("utilisation", quantity(figures.utilisation.mean if figures.utilisation else None, "%")),
        ("temperature up to", quantity(figures.temperature.maximum if figures.temperature else None, "°C")),
        ("steal time", quantity(_mean(figures.steal_percent), "%")),
        ("processor pressure", quantity(_mean(figures.cpu_pressure_percent), "%")),
        ("foo_time", quantity(figures.foo_seconds or None, "s")),
    ]
    return [(name, value) for name, value in found if value != NOTHING]


def flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested facts as (dotted name, value as text)."""
    found: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            found += flat(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            found.append((f"{prefix}{key}", NOTHING if text is None else str(text)))
    return found


def footnotes(report: Report, shown: Sequence[str] = PERCENTILES) -> list[str]:
    """Return one sentence for each percentile of those shown that some case had too few queries for."""
    found: dict[str, None] = {}
    for case in report.cases:
        for latency in (case.metrics.latency.inference, case.metrics.latency.validation):
            found.update(dict.fromkeys(filter(None, (withheld(latency, name) for name in shown))))
    return list(found)


def withheld(latency: LatencyReport | None, name: str) -> str | None:
    """Return why a percentile is not shown, None where it is."""
    percentile = latency.percentiles.get(name) if latency else None
    if percentile is None or percentile.latency_ms is not None:
        return None
    needed = f"{name} withheld: it needs at least {percentile.samples_needed:,} measured queries"
    return f"{needed}; raise repeat, or name it in percentiles"


def marker(place: int) -> str:
    """Return a footnote's sign, from ¹ on."""
    return str(place + 1).translate(_SUPERSCRIPTS)


def _percentiles(latency: LatencyReport | None, notes: Sequence[str], shown: Sequence[str]) -> list[str]:
    return [_percentile(latency, name, notes) for name in shown]


def _percentile(latency: LatencyReport | None, name: str, notes: Sequence[str]) -> str:
    percentile = latency.percentiles.get(name) if latency else None
    if percentile is not None and percentile.latency_ms is not None:
        return number(percentile.latency_ms)
    why = withheld(latency, name)
    return NOTHING + (marker(notes.index(why)) if why in notes else "")


def _mean(spread: SpreadReport | None) -> float | None:
    """A mean above 0; of what is none of the time there is nothing to say."""
    return spread.mean or None if spread else None


def _error(core: float | None, phase: PhaseReport | None) -> str:
    return half_width(core, phase.core_interval if phase else None)


def _of(part: str, total: str) -> str:
    return part if NOTHING in (part, total) else f"{part} of {total}"
