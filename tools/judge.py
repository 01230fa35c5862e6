"""What becomes of a case by its accuracy: held to its target, which gates the status however fast the engine was."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, List, Optional

from tools.contract import INVALID, Phase, Reason, Scenario
from tools.difference import WRONG_OUTPUTS

DEFAULT_TARGET = "99%"
"""MLPerf's: 99 % of the reference's accuracy. Source: MLPerf inference rules, benchmarks' quality targets."""

ACCURACY = "accuracy"


def threshold(target: Any, validation: Optional[float]) -> Optional[float]:
    """The least accuracy: `target` itself, or its share (`99%`) of the validation's; None where nothing is there to hold to."""
    target = DEFAULT_TARGET if target is None else target
    if not isinstance(target, str):
        return float(target)
    return None if validation is None or math.isnan(validation) else float(target[:-1]) / 100 * validation


def accuracy_reasons(validation: Optional[Phase], inference: Optional[Phase], target: Any) -> List[Reason]:
    """Why the accuracies do not do: not a number, below the target, or not there though a target is set."""
    found = []
    for name, phase in (("validation", validation), ("inference", inference)):
        if phase is not None and phase.accuracy is not None and math.isnan(phase.accuracy):
            found.append(Reason(WRONG_OUTPUTS, "{}: the accuracy is not a number, so the outputs are wrong".format(name)))
    name, phase = ("inference", inference) if inference is not None else ("validation", validation)
    least = threshold(target, validation.accuracy if validation else None)
    if found or phase is None or least is None:
        return found
    if phase.accuracy is None:
        return [] if target is None else [Reason("no accuracy", "{} gave no accuracy to hold to accuracy_target".format(name))]
    if phase.accuracy < least:
        found.append(Reason(ACCURACY, _below(name, phase.accuracy, least, target)))
    return found


def judged(scenario: Scenario, target: Any, validation: Optional[float]) -> Scenario:
    """The scenario, INVALID where its accuracy mode stayed below the target."""
    least = threshold(target, validation)
    if least is None or scenario.accuracy is None or scenario.accuracy >= least:
        return scenario
    reason = Reason(ACCURACY, _below(scenario.name, scenario.accuracy, least, target))
    return dataclasses.replace(scenario, status=INVALID, reasons=(*scenario.reasons, reason))


def _below(name: str, accuracy: float, least: float, target: Any) -> str:
    target = DEFAULT_TARGET if target is None else target
    whose = "{} of the validation's".format(target) if isinstance(target, str) else "accuracy_target"
    remedy = "run with 'compiler: null' to see whether the export or the engine is wrong"
    return "{}: {:.4f} is below the target of {:.4f} ({}); {}".format(name, accuracy, least, whose, remedy)
