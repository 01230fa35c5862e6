"""From what the guest measured and the monitors saw to the report's numbers: throughput, MFU, latency, memory, power."""

from __future__ import annotations

from collections.abc import Iterable

from tools.contract import Latency, Phase, Result
from utils.monitoring.model import MonitorSummary
from utils.report.schema import LatencyPair, LatencyReport, MemoryReport, Metrics, PercentileReport, PowerReport, SpreadReport

CLOSE_SECONDS = 0.5
"""A monitor's window and a step that begin and end no further apart than this are the same."""


def metrics(result: Result, vendor: MonitorSummary | None, system: MonitorSummary | None) -> tuple[Metrics, list[str]]:
    """Return the numbers, and notes that say why one that a reader looks for is missing."""
    validation, inference, quoted = result.validation, result.inference, quoted_phase(result)
    speed = flops_per_second(result)
    peak, no_peak = peak_flops(result, vendor)
    value = Metrics(
        validation_whole=validation.whole if validation else None,
        validation_core=validation.core if validation else None,
        inference_whole=inference.whole if inference else None,
        inference_core=inference.core if inference else None,
        speedup=speedup(validation, inference),
        accuracy_metric=result.accuracy_metric,
        accuracy_validation=validation.accuracy if validation else None,
        accuracy_inference=inference.accuracy if inference else None,
        flops_per_item=result.flops_per_item,
        flops_per_second=speed,
        peak_flops=peak,
        mfu=speed / peak if speed is not None and peak else None,
        latency=LatencyPair(validation=_latency(validation), inference=_latency(inference)),
        memory=memory(result, vendor),
        power=power(result, vendor, system),
        utilisation=_spread(vendor.utilisation_percent if vendor else None),
        temperature=_spread(vendor.temperature_celsius if vendor else None),
        foo_seconds=quoted.foo_seconds if quoted else None,
    )
    return value, list(_mfu_notes(result, value, no_peak))


def quoted_phase(result: Result) -> Phase | None:
    """The phase a case is quoted by: the engine's, or the framework's where no engine was asked for."""
    return result.inference if result.compiler else result.validation


def speedup(validation: Phase | None, inference: Phase | None) -> float | None:
    """How many times faster the engine is than the framework, by core."""
    if validation is None or inference is None or inference.core is None or not validation.core:
        return None
    return inference.core / validation.core


def flops_per_second(result: Result) -> float | None:
    """The model's operations per second in the quoted phase's core."""
    phase = quoted_phase(result)
    if phase is None or phase.core is None or result.flops_per_item is None:
        return None
    return result.flops_per_item * phase.core


def peak_flops(result: Result, vendor: MonitorSummary | None) -> tuple[float | None, str]:
    """Return the chip's peak at the case's own precision, or None and why there is none."""
    if vendor is None:
        return None, "no vendor monitor told the chip"
    chip = vendor.chip or "this chip"
    if not vendor.peak_flops:
        return None, f"no peak is known for {chip}; docker_images/{result.vendor}/chips.yaml takes one, with its source"
    peak = vendor.peak_flops.get(result.precision or "")
    return peak or None, f"{chip} has no published {result.precision} peak"


def memory(result: Result, vendor: MonitorSummary | None) -> MemoryReport:
    """Memory of the guest's process and of the device."""
    return MemoryReport(
        process_peak_bytes=_largest(step.peak_memory_bytes for step in result.steps),
        allocator_peak_bytes=_largest(step.peak_device_memory_bytes for step in result.steps),
        device_used_max_bytes=vendor.memory_used_max_bytes if vendor else None,
        device_total_bytes=vendor.memory_total_bytes if vendor else None,
    )


def power(result: Result, vendor: MonitorSummary | None, system: MonitorSummary | None) -> PowerReport:
    """Power from the vendor's monitor, or from the system's where the vendor's reports none."""
    monitor = next((one for one in (vendor, system) if one is not None and one.power_watts is not None), None)
    if monitor is None or monitor.power_watts is None:
        return PowerReport()
    phase, watts = quoted_phase(result), monitor.power_watts.mean
    speed = phase.whole if phase is not None and saw_only_what_was_measured(result, monitor) else None
    return PowerReport(
        mean_watts=watts,
        max_watts=monitor.power_watts.maximum,
        energy_joules=monitor.energy_joules,
        joules_per_item=watts / speed if speed else None,
        source=monitor.monitor,
    )


def measured_window(result: Result) -> tuple[float, float] | None:
    """Return when the quoted phase was measured (start, stop; s since the epoch): what monitors are best summarised over."""
    letter = "f" if result.compiler else "c"
    step = next((step for step in result.steps if step.letter == letter and step.outcome == "ok"), None)
    if step is None or step.started is None or step.seconds is None:
        return None
    return step.started, step.started + step.seconds


def saw_only_what_was_measured(result: Result, monitor: MonitorSummary) -> bool:
    """Whether a monitor's statistics are those of the quoted phase; else its power also paid for the export and the compiler."""
    measured = measured_window(result)
    if measured is None or monitor.window is None:
        return False
    return all(abs(one - other) <= CLOSE_SECONDS for one, other in zip(measured, monitor.window, strict=True))


def _mfu_notes(result: Result, value: Metrics, no_peak: str) -> Iterable[str]:
    phase = quoted_phase(result)
    if phase is None or phase.core is None:
        return
    if result.flops_per_item is None:
        yield "no MFU: the case's configuration has no flops"
    elif value.mfu is None:
        yield f"no MFU: {no_peak}"
    elif value.mfu > 1:
        yield f"an MFU of {value.mfu:.1%} cannot be: the configuration's flops or the chip's peak is wrong"


def _latency(phase: Phase | None) -> LatencyReport | None:
    latency: Latency | None = phase.latency if phase else None
    if latency is None:
        return None
    return LatencyReport(
        count=latency.count,
        min_ms=latency.min_ns / 1e6,
        mean_ms=latency.mean_ns / 1e6,
        max_ms=latency.max_ns / 1e6,
        percentiles={
            f"p{one.percent:g}": PercentileReport(
                latency_ms=None if one.latency_ns is None else one.latency_ns / 1e6, samples_needed=one.samples_needed
            )
            for one in latency.percentiles
        },
    )


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _spread(spread: object | None) -> SpreadReport | None:
    return None if spread is None else SpreadReport.model_validate(spread)
