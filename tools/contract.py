"""What crosses the wall from guest to host: result.json's dataclasses and the progress lines. Standard library only.

Times are seconds since the Unix epoch, durations seconds (latencies nanoseconds), memory bytes, throughput items per second.
None means "not measured" or "not reported", never zero.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Mapping, Optional, Sequence, Tuple, get_type_hints

from tools.figures import Check as Check
from tools.figures import Cost as Cost
from tools.figures import Device as Device
from tools.figures import Difference as Difference
from tools.figures import Interval as Interval
from tools.figures import Latency as Latency
from tools.figures import Operator as Operator
from tools.figures import Peak as Peak
from tools.figures import Percentile as Percentile
from tools.figures import Phase as Phase
from tools.figures import Profile as Profile
from tools.figures import Reason as Reason
from tools.figures import Scenario as Scenario
from tools.figures import SweepPoint as SweepPoint
from tools.figures import WarmUp as WarmUp

SCHEMA = 2

OK, TAINTED, INVALID, FAILED = "OK", "TAINTED", "INVALID", "FAILED"

STEPS: Tuple[Tuple[str, str], ...] = (
    ("a", "init"),
    ("b", "data and model"),
    ("c", "framework validation"),
    ("d", "ONNX export"),
    ("e", "compile"),
    ("f", "engine forward"),
    ("g", "summary"),
)

RESULT_FILE = "result.json"
LATENCIES_FILE = "latencies.npz"


@dataclass(frozen=True)
class StepResult:
    """One of the seven steps. `outcome` is ok, skipped or failed; `detail` says why, where there is something to say."""

    letter: str
    name: str
    outcome: str
    started: Optional[float] = None
    seconds: Optional[float] = None
    peak_memory_bytes: Optional[int] = None
    peak_device_memory_bytes: Optional[int] = None
    detail: str = ""


@dataclass(frozen=True)
class Result:
    """One case on one host as the guest leaves it in result.json.

    `config` has for each key `{"value": …, "origin": …}`; `engine` is what the engine's describe() said really ran;
    `environment` the versions and hardware; `artifacts` hashes and paths of weights, ONNX and engine files; `accuracy_metric`
    its name (`top1`), None where the case can give no accuracy; `notes` what a reader must know beside the numbers.
    """

    case: str
    framework: str
    vendor: str
    compiler: Optional[str] = None
    precision: Optional[str] = None
    batch_size: Optional[int] = None
    status: str = FAILED
    reasons: Sequence[Reason] = ()
    validation: Optional[Phase] = None
    inference: Optional[Phase] = None
    accuracy_metric: Optional[str] = None
    flops_per_item: Optional[float] = None
    compile_seconds: Optional[float] = None
    load_seconds: Optional[float] = None
    difference: Optional[Difference] = None
    validation_difference: Optional[Difference] = None
    cost: Optional[Cost] = None
    peak: Optional[Peak] = None
    sweep: Sequence[SweepPoint] = ()
    scenarios: Sequence[Scenario] = ()
    audit: Sequence[Check] = ()
    profiles: Sequence[Profile] = ()
    steps: Sequence[StepResult] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    schema: int = SCHEMA


def to_json(value: Any) -> str:
    """Return a dataclass as strict JSON: NaN and infinities become null, as JSON has no word for them."""
    return json.dumps(_finite(dataclasses.asdict(value)), indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def as_json(value: Any) -> Any:
    """A value as it is when it comes back from `to_json`: what JSON has no word for is null or text."""
    return json.loads(json.dumps(_finite(value), allow_nan=False, default=str))


def result_from_json(text: str) -> Result:
    """Read a result.json. Raises ValueError when it is not one, or of a schema this version does not know."""
    try:
        raw = json.loads(text)
    except RecursionError as error:
        raise ValueError("not a result.json: it is nested too deeply") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise ValueError("not a result.json of schema {}".format(SCHEMA))
    try:
        result: Result = _typed(Result, raw)
    except (AttributeError, TypeError) as error:
        raise ValueError("not a result.json of schema {}: {}".format(SCHEMA, error)) from error
    return result


def _typed(kind: Any, raw: Any) -> Any:
    """`raw`, with what `kind` says are dataclasses made into them, wherever they are inside."""
    if raw is None:
        return None
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(hints.get(name), value) for name, value in raw.items()})
    inside = [argument for argument in getattr(kind, "__args__", ()) if dataclasses.is_dataclass(argument)]
    if not inside:
        return raw
    return [_typed(inside[0], item) for item in raw] if isinstance(raw, list) else _typed(inside[0], raw)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A stream into a new file that takes the place of `path` when all of it is on disk: a full disk, an error or a kill leaves
    the old file, or none. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=str(path.parent), prefix="." + path.name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing. Raises OSError."""
    with replaced(path) as stream:
        stream.write(text.encode("utf-8"))


PROGRESS_PREFIX = "::progress "


@dataclass(frozen=True)
class Progress:
    """How far the guest is: `done` of `total` in one step; total is None while unknown."""

    step: str
    done: int = 0
    total: Optional[int] = None
    unit: str = "queries"

    def line(self) -> str:
        """The line the guest prints when it is asked for machine-readable progress."""
        return PROGRESS_PREFIX + json.dumps(dataclasses.asdict(self))


def progress_from_line(line: str) -> Optional[Progress]:
    """The progress that a line of the guest's output reports; None for every other line, malformed ones too."""
    if not line.startswith(PROGRESS_PREFIX):
        return None
    try:
        progress = Progress(**json.loads(line[len(PROGRESS_PREFIX) :]))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = isinstance(progress.step, str) and isinstance(progress.unit, str)
    return progress if texts and _is_count(progress.done) and _is_count(progress.total or 0) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 63


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
