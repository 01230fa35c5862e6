"""Tables of how an engine bears load: MLPerf's scenarios, and the sweep over batch sizes and clients."""

from __future__ import annotations

from utils.report.rows import status_cell
from utils.report.schema import CaseReport, ScenarioReport, SweepPointReport
from utils.report.table import Table, percentile_cell, unless_empty
from utils.report.words import NOTHING, accuracy, duration, half_width, milliseconds, number, verdict_of_loadgen

KNEE = "◆"


def scenario_table(case: CaseReport) -> list[Table]:
    """What loadgen measured, its verdict and ours."""
    heads = ("scenario", "mode", "loadgen", "status", "result", "accuracy", "p50 ms", "p99 ms", "samples", "time")
    rows = [_scenario(one) for one in case.scenarios]
    said = [f"{one.name}, {one.mode}: {text}" for one in case.scenarios for text in _said(one)]
    files = list(dict.fromkeys(one.folder for one in case.scenarios if one.folder))
    title = "MLPerf scenarios, driven by loadgen"
    return unless_empty(Table("scenarios", title, heads, rows, 4, said, files, "loadgen's logs"))


def sweep_table(case: CaseReport) -> list[Table]:
    """Throughput and latency by batch size and clients, with the knee marked."""
    heads = ("batch", "clients", "status", "core items/s", "± %", "p50 ms", "p99 ms", "accuracy", "compile")
    rows = [_sweep_point(point) for point in case.sweep]
    notes = [f"batch {point.batch_size:,}, {_clients(point)}: {point.detail}" for point in case.sweep if point.detail]
    if any(point.knee for point in case.sweep):
        notes.insert(0, f"{KNEE} the knee: beyond it, more throughput costs more latency than it gives.")
    return unless_empty(Table("sweep", "Sweep over batch sizes and clients", heads, rows, 3, notes))


def _said(one: ScenarioReport) -> list[str]:
    return [*(f"{reason.kind}: {reason.message}" for reason in one.reasons), *one.notes]


def _scenario(one: ScenarioReport) -> tuple[str, ...]:
    value = NOTHING if one.value is None else f"{number(one.value)} {one.unit}".strip()
    if one.value is not None and one.unit == "ns":
        value = milliseconds(one.value / 1e6)
    samples = NOTHING if one.samples is None else f"{one.samples:,}"
    texts = (one.name, one.mode, verdict_of_loadgen(one.valid), status_cell(one.status))
    times = (percentile_cell(one.latency, "p50"), percentile_cell(one.latency, "p99"))
    return (*texts, value, accuracy(one.accuracy), *times, samples, duration(one.seconds))


def _sweep_point(point: SweepPointReport) -> tuple[str, ...]:
    batch = f"{point.batch_size:,}" + (f" {KNEE}" if point.knee else "")
    bounds = half_width(point.core, point.core_interval)
    times = (percentile_cell(point.latency, "p50"), percentile_cell(point.latency, "p99"))
    figures = (number(point.core), bounds, *times, accuracy(point.accuracy), duration(point.compile_seconds))
    return (batch, f"{point.clients:,}", status_cell(point.status), *figures)


def _clients(point: SweepPointReport) -> str:
    return f"{point.clients:,} client" + ("" if point.clients == 1 else "s")
