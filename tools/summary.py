"""Step g: makes the Result out of what was found, decides its status, and puts it on disk and into words."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from pathlib import Path
from typing import List, Optional, Sequence

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
    to_json,
    write_atomically,
)
from tools.errors import CaseCrash
from tools.findings import Findings
from tools.measure import Measurement

WRONG_OUTPUTS = "wrong outputs"


def summarise(case: str, framework: str, vendor: str, findings: Findings, steps: Sequence[StepResult]) -> Result:
    """The Result of one case: its numbers, its conditions and its status."""
    config = findings.resolved.values if findings.resolved else {}
    reasons = reasons_of(findings)
    validation, inference = _publishable(findings.validation, findings), _publishable(findings.inference, findings)
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
        flops_per_item=config.get("flops"),
        steps=tuple(steps),
        config=findings.resolved.as_report() if findings.resolved else {},
        engine=findings.engine,
        environment=findings.environment,
        artifacts=dict(findings.artifacts, **findings.description.artifacts),
        notes=findings.description.notes + findings.notes,
    )


def reasons_of(findings: Findings) -> List[Reason]:
    """Why the case is not plainly OK: its failure first, then doubts of what was measured."""
    reasons = [findings.failure] if findings.failure else []
    for name, measured in (("validation", findings.validation), ("inference", findings.inference)):
        if measured is not None:
            reasons += _phase_reasons(name, measured.phase, findings)
    return reasons + _precision_reasons(findings)


def _phase_reasons(name: str, phase: Phase, findings: Findings) -> List[Reason]:
    reasons = []
    if _is_nan(phase.accuracy) and findings.description.accuracy_metric is not None:
        reasons.append(Reason(WRONG_OUTPUTS, "{}: the accuracy is not a number, so the outputs are wrong".format(name)))
    if phase.foo_seconds > 0:
        text = "{}: the engine declared {:.6f} s of foo_time, which are subtracted; review what it does in them"
        reasons.append(Reason("foo_time", text.format(name, phase.foo_seconds)))
    return reasons


def _precision_reasons(findings: Findings) -> List[Reason]:
    asked = findings.resolved.values.get("precision") if findings.resolved else None
    ran = findings.engine.get("precision")
    if asked is None or ran is None or str(ran).lower() == asked:
        return []
    return [Reason("precision", "{} was asked for, but {} ran".format(asked, ran))]


def _status(findings: Findings, reasons: Sequence[Reason]) -> str:
    if findings.failure:
        return FAILED
    if any(reason.kind == WRONG_OUTPUTS for reason in reasons):
        return INVALID
    return TAINTED if reasons else OK


def _publishable(measured: Optional[Measurement], findings: Findings) -> Optional[Phase]:
    """The phase without an accuracy that is none: not a number, or from a case that can give none."""
    if measured is None:
        return None
    if _is_nan(measured.phase.accuracy) or findings.description.accuracy_metric is None:
        return dataclasses.replace(measured.phase, accuracy=None)
    return measured.phase


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
    handle, temporary = tempfile.mkstemp(dir=str(log_dir), prefix="." + LATENCIES_FILE)
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, validation_ns=validation, inference_ns=inference)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(log_dir / LATENCIES_FILE)
    except BaseException:
        Path(temporary).unlink()
        raise


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
