"""Step g: makes the Result out of what was found, decides its status, and puts it on disk and into words."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import List, Optional, Sequence

from tools.audit import audit_reasons
from tools.contract import (
    FAILED,
    INVALID,
    LATENCIES_FILE,
    OK,
    RESULT_FILE,
    TAINTED,
    Phase,
    Reason,
    Result,
    StepResult,
    replaced,
    to_json,
    write_atomically,
)
from tools.difference import PRECISION_NOT_ACTIVE, WRONG_OUTPUTS
from tools.errors import CaseCrash
from tools.findings import Findings, quoted_device
from tools.judge import ACCURACY, accuracy_reasons, threshold
from tools.measure import Measurement
from tools.placement import OTHER_DEVICE, device_reasons, framework_reasons

FORBIDDING = (WRONG_OUTPUTS, ACCURACY, OTHER_DEVICE, "audit", "scenario", "sweep")
"""The kinds of reasons for which numbers must not be quoted."""


def summarise(case: str, framework: str, vendor: str, findings: Findings, steps: Sequence[StepResult]) -> Result:
    """The Result of one case: its numbers, its conditions and its status."""
    config = findings.resolved.values if findings.resolved else {}
    reasons = reasons_of(findings, framework, vendor)
    validation = _publishable("validation", findings.validation, findings)
    inference = _publishable("inference", findings.inference, findings)
    judged = any(phase is not None and phase.accuracy is not None for phase in (validation, inference))
    return Result(
        case=case,
        framework=framework,
        vendor=vendor,
        compiler=config.get("compiler"),
        precision=config.get("precision"),
        batch_size=config.get("batch_size"),
        status=_status(findings, reasons),
        reasons=reasons,
        validation=validation,
        inference=inference,
        accuracy_metric=findings.description.accuracy_metric if judged else None,
        flops_per_item=_flops_per_item(findings),
        compile_seconds=findings.compile_seconds,
        load_seconds=findings.load_seconds,
        difference=findings.difference,
        validation_difference=findings.validation_difference,
        cost=findings.cost,
        peak=findings.peak,
        sweep=findings.sweep,
        scenarios=findings.scenarios,
        audit=findings.audit,
        profiles=findings.profiles,
        steps=tuple(steps),
        config=findings.resolved.as_report() if findings.resolved else {},
        engine=findings.engine,
        environment=findings.environment,
        artifacts=dict(findings.artifacts, **findings.description.artifacts),
        notes=findings.description.notes + findings.notes,
    )


def reasons_of(findings: Findings, framework: str, vendor: str) -> List[Reason]:
    """Why the case is not plainly OK: its failure first, then what forbids quoting it, then doubts of what was measured."""
    found = [findings.failure] if findings.failure else []
    found += _accuracy_reasons(findings) + _scenario_reasons(findings) + _sweep_reasons(findings)
    found += audit_reasons(findings.audit)
    for name, measured in (("validation", findings.validation), ("inference", findings.inference)):
        if measured is not None:
            found += [Reason(doubt.kind, "{}: {}".format(name, doubt.message)) for doubt in measured.phase.doubts]
    found += _placement_reasons(findings, framework, vendor) + _precision_reasons(findings) + list(findings.doubts)
    return sorted(found, key=lambda reason: reason != findings.failure and reason.kind not in FORBIDDING)


def _accuracy_reasons(findings: Findings) -> List[Reason]:
    phases = (measured.phase if measured else None for measured in (findings.validation, findings.inference))
    if findings.description.accuracy_metric is None:
        phases = (phase and dataclasses.replace(phase, accuracy=None) for phase in phases)
    validation, inference = phases
    target = findings.resolved.values.get("accuracy_target") if findings.resolved else None
    found = accuracy_reasons(validation, inference, target)
    unknown = inference is not None and inference.accuracy is None
    if inference is not None and findings.difference is None and (unknown or threshold(target, _accuracy(validation)) is None):
        text = "neither an accuracy with its target nor the framework's outputs say that the engine's are right"
        found.append(Reason("not verified", text + "; validate, or set accuracy_target"))
    return found


def _accuracy(phase: Optional[Phase]) -> Optional[float]:
    return phase.accuracy if phase is not None else None


def _scenario_reasons(findings: Findings) -> List[Reason]:
    """What a scenario asked for did not give: it failed, or its own rules were not met."""
    found = []
    for scenario in findings.scenarios:
        if scenario.status in (INVALID, FAILED):
            why = "; ".join(reason.message for reason in scenario.reasons)
            found.append(Reason("scenario", "{} is {}: {}".format(scenario.name, scenario.status, why)))
    return found


def _sweep_reasons(findings: Findings) -> List[Reason]:
    return [
        Reason("sweep", "batch size {}, {} client(s): {}".format(point.batch_size, point.clients, point.detail))
        for point in findings.sweep
        if point.status == INVALID
    ]


def _placement_reasons(findings: Findings, framework: str, vendor: str) -> List[Reason]:
    """What was measured on another device than the vendor's, or in another framework than the label says."""
    if findings.validation is None and findings.inference is None:
        return []
    devices = device_reasons(vendor, quoted_device(findings), findings.devices.get("validation"))
    reference = findings.validation.engine.get("engine") if findings.validation else None
    return devices + framework_reasons(framework, is_torch=str(reference).startswith("torch "))


def _precision_reasons(findings: Findings) -> List[Reason]:
    asked = findings.resolved.values.get("precision") if findings.resolved else None
    ran = findings.engine.get("precision")
    if asked is None or ran is None:
        return []
    if str(ran).lower() == asked:
        if findings.engine.get("precision_is_native") is not False:
            return []
        return [Reason(PRECISION_NOT_ACTIVE, "{} is emulated here: the processor has no such arithmetic".format(asked))]
    return [Reason(PRECISION_NOT_ACTIVE, "{} was asked for, but {} ran".format(asked, ran))]


def _status(findings: Findings, reasons: Sequence[Reason]) -> str:
    if findings.failure:
        return FAILED
    if any(reason.kind in FORBIDDING for reason in reasons):
        return INVALID
    return TAINTED if reasons else OK


def _flops_per_item(findings: Findings) -> Optional[float]:
    """What the config says, which is the published figure where it says one; else what was counted."""
    said: Optional[float] = findings.resolved.values.get("flops") if findings.resolved else None
    return said or (findings.cost.flops_per_item if findings.cost else None)


def _publishable(name: str, measured: Optional[Measurement], findings: Findings) -> Optional[Phase]:
    """The phase without an accuracy that is none: not a number, or from a case that can give none."""
    if measured is None:
        return None
    began, ended = findings.windows.get(name, (None, None))
    phase = dataclasses.replace(measured.phase, began=began, ended=ended, device=findings.devices.get(name))
    if _is_nan(phase.accuracy) or findings.description.accuracy_metric is None:
        return dataclasses.replace(phase, accuracy=None)
    return phase


def _is_nan(number: Optional[float]) -> bool:
    return number is not None and math.isnan(number)


def write_result(result: Result, log_dir: Path) -> Path:
    """Write result.json. Raises CaseCrash if it cannot be written."""
    path = log_dir / RESULT_FILE
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(result))
    except OSError as error:
        raise CaseCrash("cannot write {}: {}".format(path, error.strerror or error)) from error
    return path


def write_latencies(findings: Findings, log_dir: Path) -> None:
    """Write the raw latencies in ns, arrays `validation_ns` and `inference_ns`, if anything was measured. Raises OSError."""
    import numpy as np  # noqa: PLC0415 - the summary of a failed case must not need it

    if findings.validation is None and findings.inference is None:
        return
    validation, inference = (
        np.array(measured.latencies_ns if measured else [], dtype=np.int64)
        for measured in (findings.validation, findings.inference)
    )
    with replaced(log_dir / LATENCIES_FILE) as stream:
        np.savez(stream, validation_ns=validation, inference_ns=inference)


def in_words(result: Result, path: Path) -> str:
    """The few lines that end a run by hand: the four numbers, the status with its reasons, and where the rest is."""
    lines = ["{} on {}/{}: {}".format(result.case, result.vendor, result.compiler or result.framework, result.status)]
    lines += ["  {}: {}".format(reason.kind, reason.message) for reason in result.reasons]
    phases = (("validation", result.validation), ("inference", result.inference))
    for name, phase in phases if any(phase for _, phase in phases) else ():
        for kind in ("whole", "core"):
            value = getattr(phase, kind) if phase else None
            lines.append("  {:<17} {}".format(name + "_" + kind, "-" if value is None else "{:,.2f} items/s".format(value)))
        if phase is not None and phase.accuracy is not None:
            lines.append("  {:<17} {:.4f} ({})".format(name + " accuracy", phase.accuracy, result.accuracy_metric))
    lines += ["  note: " + note for note in result.notes]
    return "\n".join([*lines, "  " + str(path)])
