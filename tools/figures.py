"""The figures of a result, as they cross the wall in result.json: values only. The host takes them from tools/contract.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence


@dataclass(frozen=True)
class Reason:
    """Why a case is not plainly OK. `kind` is a reason class for FAILED (CONFIG, IMAGE, HOST_LOST, TIMEOUT, OOM, CRASH,
    INTERRUPTED), else a short name of the doubt (`foo_time`, `seeded weights` …)."""

    kind: str
    message: str


@dataclass(frozen=True)
class Percentile:
    """A nearest-rank percentile; `latency_ns` is None where `samples_needed` exceeds the samples there are. At 99 % confidence
    the true percentile is not above `upper_ns`, whatever the distribution."""

    percent: float
    latency_ns: Optional[int]
    samples_needed: int
    upper_ns: Optional[int] = None


@dataclass(frozen=True)
class Interval:
    """Where a figure's true value lies, at 99 % confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class Latency:
    """Latencies of one phase's queries, warm-up excluded, foo_time subtracted."""

    count: int
    min_ns: int
    mean_ns: float
    max_ns: int
    percentiles: Sequence[Percentile]


@dataclass(frozen=True)
class WarmUp:
    """What ran before anything was recorded. `first_ns` is the first, cold query; `stable` whether three windows agreed before
    the limit, None where no warm-up was asked for."""

    queries: int
    seconds: float
    first_ns: Optional[int] = None
    stable: Optional[bool] = None


VENDOR_KINDS = {
    "cpu": ("cpu",),
    "nvidia": ("cuda", "gpu"),
    "ascend": ("npu",),
    "cambricon": ("mlu",),
    "mthreads": ("musa", "gpu"),
}
"""What torch, with the vendor's plug-in, or another framework calls a vendor's devices, where that is sure. The names are
FlagPerf's."""


@dataclass(frozen=True)
class Device:
    """Where a phase ran. `kind` is what torch calls such devices (`cpu`, `cuda`, `npu` …), None where it has no word for it;
    `name` is the device's own, as framework or engine tell it."""

    kind: Optional[str]
    name: Optional[str] = None

    def belongs_to(self, vendor: str) -> Optional[bool]:
        """Whether it can be that vendor's, by its kind: those of vendor cpu are processors, no other vendor's are. None: that is
        not known."""
        if self.kind is None:
            return None
        return self.kind in VENDOR_KINDS[vendor] if vendor in VENDOR_KINDS else self.kind != "cpu"

    def __str__(self) -> str:
        return "{} ({})".format(self.kind, self.name) if self.kind and self.name else self.name or self.kind or "unknown"


@dataclass(frozen=True)
class Phase:
    """What validation or inference measured. `whole` and `core` are items per second, `core_interval` bounds core.

    `overhead_ns` is what the loop itself costs per query, measured on an engine that does nothing; `doubts` are why the
    figures may not be what they seem. `began` and `ended` are seconds since the epoch, warm-up included. `device` is where it
    ran, None where nobody tells.
    """

    whole: Optional[float]
    core: Optional[float]
    accuracy: Optional[float]
    items: Optional[int] = None
    queries: Optional[int] = None
    batches: Optional[int] = None
    whole_seconds: Optional[float] = None
    core_seconds: Optional[float] = None
    core_interval: Optional[Interval] = None
    warmup: Optional[WarmUp] = None
    overhead_ns: Optional[float] = None
    foo_seconds: float = 0.0
    latency: Optional[Latency] = None
    doubts: Sequence[Reason] = ()
    began: Optional[float] = None
    ended: Optional[float] = None
    device: Optional[Device] = None


@dataclass(frozen=True)
class Difference:
    """An engine's outputs beside `against`'s on the same inputs, element by element.

    The figures are over the pairs in which both are finite. Relative differences are to the reference's absolute value, where
    that is not zero; `p999_absolute` is a nearest-rank percentile. `counts[i]` elements differ absolutely by `edges[i]` or more
    and less than `edges[i + 1]`; the last ones without a limit. `cosine` is that of all outputs as one vector, `lowest_cosine`
    the lowest of any single output tensor of any query. `infinite_elsewhere` of the infinite elements are something else in
    the reference. `scale` is the largest absolute value of the reference's
    floating-point outputs, None where it has none: what is whole numbers is the same in any precision.
    """

    against: str
    queries: int
    elements: int
    mean_absolute: Optional[float]
    p999_absolute: Optional[float]
    max_absolute: Optional[float]
    mean_relative: Optional[float]
    max_relative: Optional[float]
    cosine: Optional[float]
    nan: int
    infinite: int
    reference_nan: int
    reference_infinite: int
    edges: Sequence[float] = ()
    counts: Sequence[int] = ()
    lowest_cosine: Optional[float] = None
    scale: Optional[float] = None
    infinite_elsewhere: int = 0


@dataclass(frozen=True)
class SweepPoint:
    """The engine at one batch size, called by so many clients at once. `knee` marks where more throughput begins to cost more
    latency than it gives; `detail` is what went wrong, or a note."""

    batch_size: int
    clients: int
    status: str
    phase: Optional[Phase] = None
    compile_seconds: Optional[float] = None
    knee: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Scenario:
    """One of MLPerf's scenarios as loadgen drove it. `value` is the scenario's own metric in `unit`; `loadgen` its summary as it
    stands in its log, which is in `folder` (below the case's own). `reasons` are why it is not plainly OK, `notes` what a reader
    must know all the same."""

    name: str
    mode: str
    status: str
    reasons: Sequence[Reason] = ()
    value: Optional[float] = None
    unit: str = ""
    valid: Optional[bool] = None
    accuracy: Optional[float] = None
    latency: Optional[Latency] = None
    samples: Optional[int] = None
    seconds: Optional[float] = None
    folder: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    loadgen: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Check:
    """One compliance check of `--audit`; `passed` is None where it could not be made."""

    name: str
    passed: Optional[bool]
    detail: str


@dataclass(frozen=True)
class Cost:
    """What the model asks for: FLOP per item as counted in the exported graph (2 per multiply-add), and the bytes one query must
    move at least (weights once, inputs and outputs)."""

    flops_per_item: Optional[float]
    bytes_per_query: Optional[float]
    uncounted: Sequence[str] = ()


@dataclass(frozen=True)
class Peak:
    """What the chip can do: FLOP/s at `precision` and bytes/s of memory; `source` is measured, or whose figures these are."""

    precision: str
    flops: Optional[float]
    bytes_per_second: Optional[float]
    source: str
    detail: str = ""


@dataclass(frozen=True)
class Operator:
    """One kind of operator in a profiled pass: its own time in seconds, and its share of all operators' time (0..1)."""

    name: str
    calls: int
    seconds: float
    share: float


@dataclass(frozen=True)
class Profile:
    """One profiled pass, outside the measurement: of `phase`, by which profiler, the costliest operators first."""

    phase: str
    by: str
    operators: Sequence[Operator] = ()
    trace: str = ""
    detail: str = ""
