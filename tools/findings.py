"""What the steps find on their way, in the one form the summary needs, whatever form the case gave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from tools.cache import sha256_of
from tools.config_manager import Resolved
from tools.contract import Check, Cost, Device, Difference, Peak, Phase, Profile, Reason, Scenario, SweepPoint
from tools.errors import CaseCrash
from tools.measure import Measurement

UNNAMED_METRIC = "accuracy"
"""What accuracy is called when a case, as FlagPerf's do, gives one without its name."""


@dataclass(frozen=True)
class CaseDescription:
    """What a case says of itself beside its numbers; without a metric its accuracy is withheld."""

    accuracy_metric: Optional[str] = UNNAMED_METRIC
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    notes: Tuple[str, ...] = ()


@dataclass
class Findings:
    """Filled by one step after the other, so that what was found before a failure is kept."""

    resolved: Optional[Resolved] = None
    description: CaseDescription = field(default_factory=CaseDescription)
    validation: Optional[Measurement] = None
    inference: Optional[Measurement] = None
    engine: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Dict[str, Any] = field(default_factory=dict)
    environment: Dict[str, Any] = field(default_factory=dict)
    notes: Tuple[str, ...] = ()
    failure: Optional[Reason] = None
    doubts: Tuple[Reason, ...] = ()
    windows: Dict[str, Tuple[float, float]] = field(default_factory=dict)
    devices: Dict[str, Optional[Device]] = field(default_factory=dict)
    compile_seconds: Optional[float] = None
    load_seconds: Optional[float] = None
    difference: Optional[Difference] = None
    validation_difference: Optional[Difference] = None
    cost: Optional[Cost] = None
    peak: Optional[Peak] = None
    sweep: Tuple[SweepPoint, ...] = ()
    scenarios: Tuple[Scenario, ...] = ()
    audit: Tuple[Check, ...] = ()
    profiles: Tuple[Profile, ...] = ()


def describe_case(case: Any, model: Any, dataloader: Any, config: Any) -> CaseDescription:
    """Ask the case's optional `describe(model, dataloader, config)` for accuracy_metric, artifacts and notes."""
    if not hasattr(case, "describe"):
        return CaseDescription()
    said = case.describe(model, dataloader, config)
    unknown = set(said) - {"accuracy_metric", "artifacts", "notes"}
    if unknown:
        raise CaseCrash("the case's describe() gave the unknown key '{}'".format(min(unknown)))
    return CaseDescription(
        said.get("accuracy_metric", UNNAMED_METRIC), dict(said.get("artifacts") or {}), tuple(said.get("notes") or ())
    )


def quoted_device(findings: Findings) -> Optional[Device]:
    """Where the phase ran that the case is quoted by: the engine's, or the framework's where no engine was asked for."""
    has_engine = findings.resolved is not None and findings.resolved.values.get("compiler") is not None
    return findings.devices.get("inference" if has_engine else "validation")


def as_measurement(returned: Any, function: str) -> Measurement:
    """A Measurement as it is, FlagPerf's `(whole, core, accuracy)` or None as one without latencies. Raises CaseCrash."""
    if isinstance(returned, Measurement):
        return returned
    if returned is None:
        return Measurement(Phase(None, None, None))
    try:
        whole, core, accuracy = (None if number is None else float(number) for number in returned)
    except (TypeError, ValueError) as error:
        raise CaseCrash("{} must return (whole, core, accuracy), but returned {!r}".format(function, returned)) from error
    return Measurement(Phase(whole, core, accuracy))


def file_facts(path: str) -> Dict[str, Any]:
    """Path, size and SHA-256 of a file, and of the external data (`<path>.data`) beside it; the path alone where it is none.

    Raises OSError.
    """
    if not Path(path).is_file():
        return {"path": path}
    facts = _digest(path)
    return dict(facts, external_data=_digest(path + ".data")) if Path(path + ".data").is_file() else facts


def _digest(path: str) -> Dict[str, Any]:
    return {"path": path, "bytes": Path(path).stat().st_size, "sha256": sha256_of(Path(path))}
