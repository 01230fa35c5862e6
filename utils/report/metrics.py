"""From what the guest measured and the monitors saw to the report's numbers: throughput, MFU, latency, memory, power."""

from __future__ import annotations

from collections.abc import Iterable

from tools.contract import Phase, Result, StepResult
from utils.monitoring.model import MonitorSummary
from utils.report.efficiency import efficiency
from utils.report.phases import latency_report, phase_report
from utils.report.schema import (
    CostReport,
    LatencyPair,
    MemoryReport,
    Metrics,
    PeakReport,
    PhasePair,
    PowerReport,
    RooflineReport,
    SpreadReport,
)

MODEL_STEPS = "bcdef"
"""Those that load and run the model; what the machine itself can do is measured in step g."""

CLOSE_SECONDS = 0.5
"""A monitor's window and a step that begin and end no further apart than this are the same."""


def metrics(result: Result, vendor: MonitorSummary | None, system: MonitorSummary | None) -> tuple[Metrics, list[str]]:
    """Return the numbers, and notes that say why one that a reader looks for is missing."""
    validation, inference, quoted = result.validation, result.inference, quoted_phase(result)
    reached = efficiency(result, quoted, vendor)
    value = Metrics(
        validation_whole=validation.whole if validation else None,
        validation_core=validation.core if validation else None,
        inference_whole=inference.whole if inference else None,
        inference_core=inference.core if inference else None,
        speedup=speedup(validation, inference),
        accuracy_metric=result.accuracy_metric,
        accuracy_validation=validation.accuracy if validation else None,
        accuracy_inference=inference.accuracy if inference else None,
        flops_per_item=reached.flops_per_item,
        flops_per_second=reached.flops_per_second,
        peak_flops=reached.peak_flops,
        mfu=reached.mfu,
        mfu_source=reached.mfu_source,
        roofline=RooflineReport.model_validate(reached.roofline) if reached.roofline else None,
        cost=CostReport.model_validate(result.cost) if result.cost else None,
        peak=PeakReport.model_validate(result.peak) if result.peak else None,
        latency=LatencyPair(
            validation=latency_report(validation.latency if validation else None),
            inference=latency_report(inference.latency if inference else None),
        ),
        phases=PhasePair(validation=phase_report(validation), inference=phase_report(inference)),
        compile_seconds=result.compile_seconds,
        load_seconds=result.load_seconds,
        memory=memory(result, vendor),
        power=power(result, vendor, system),
        utilisation=_spread(vendor.utilisation_percent if vendor else None),
        temperature=_spread(vendor.temperature_celsius if vendor else None),
        steal_percent=_spread(system.steal_percent if system else None),
        cpu_pressure_percent=_spread(system.cpu_pressure_percent if system else None),
        foo_seconds=quoted.foo_seconds if quoted else None,
    )
    return value, list(reached.notes)


def quoted_phase(result: Result) -> Phase | None:
    """The phase a case is quoted by: the engine's, or the framework's where no engine was asked for."""
    return result.inference if result.compiler else result.validation


def speedup(validation: Phase | None, inference: Phase | None) -> float | None:
    """How many times faster the engine is than the framework, by core."""
    if validation is None or inference is None or inference.core is None or not validation.core:
        return None
    return inference.core / validation.core


def memory(result: Result, vendor: MonitorSummary | None) -> MemoryReport:
    """Memory of the guest's process and of the device."""
    steps = model_steps(result)
    return MemoryReport(
        process_peak_bytes=_largest(step.peak_memory_bytes for step in steps),
        allocator_peak_bytes=_largest(step.peak_device_memory_bytes for step in steps),
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
    phase = result.inference if result.compiler else result.validation
    if phase is not None and phase.began is not None and phase.ended is not None:
        return phase.began, phase.ended
    letter = "f" if result.compiler else "c"
    step = next((step for step in result.steps if step.letter == letter and step.outcome == "ok"), None)
    if step is None or step.started is None or step.seconds is None:
        return None
    return step.started, step.started + step.seconds


def model_window(result: Result) -> tuple[float, float] | None:
    """Return when the model was loaded and run, from the first of these steps to the last (start, stop; s since the epoch)."""
    spans = [
        (step.started, step.started + step.seconds)
        for step in model_steps(result)
        if step.started is not None and step.seconds is not None
    ]
    return (min(start for start, _ in spans), max(stop for _, stop in spans)) if spans else None


def model_steps(result: Result) -> list[StepResult]:
    """Return the steps that load and run the model."""
    return [step for step in result.steps if step.letter in MODEL_STEPS]


def saw_only_what_was_measured(result: Result, monitor: MonitorSummary) -> bool:
    """Whether a monitor's statistics are those of the quoted phase; else its power also paid for the export and the compiler."""
    measured = measured_window(result)
    if measured is None or monitor.window is None:
        return False
    return all(abs(one - other) <= CLOSE_SECONDS for one, other in zip(measured, monitor.window, strict=True))


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _spread(spread: object | None) -> SpreadReport | None:
    return None if spread is None else SpreadReport.model_validate(spread)
