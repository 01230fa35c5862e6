"""What report.json has beside a case's own figures: outputs compared, sweep, scenarios, audit, profiles."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from utils.report.schema_figures import IntervalReport, LatencyReport, Model, ReasonReport, Status


class DifferenceReport(Model):
    """An engine's outputs beside another's on the same inputs, over the elements that are finite in both."""

    against: str = Field(description="Whose outputs are the reference")
    queries: int
    elements: int = Field(description="Numbers compared")
    mean_absolute: float | None = None
    p999_absolute: float | None = Field(default=None, description="99.9 % of the elements differ by no more, absolutely")
    max_absolute: float | None = None
    mean_relative: float | None = Field(default=None, description="To the reference's absolute value where it is not 0, a ratio")
    max_relative: float | None = Field(default=None, description="To the reference's absolute value where it is not 0, a ratio")
    cosine: float | None = Field(default=None, description="Cosine similarity, -1..1; 1: the same direction")
    nan: int = Field(description="Elements of the engine that are not a number")
    infinite: int = Field(description="Elements of the engine that are infinite")
    reference_nan: int = Field(description="Elements of the reference that are not a number")
    reference_infinite: int = Field(description="Elements of the reference that are infinite")
    edges: list[float] = Field(default=[], description="Absolute differences from which each of `counts` begins")
    counts: list[int] = Field(
        default=[],
        description="counts[i] elements differ by edges[i] or more and less than edges[i + 1], the last without a limit",
    )
    lowest_cosine: float | None = Field(default=None, description="Of any single output tensor of any query")
    scale: float | None = Field(
        default=None, description="The largest absolute value of the reference's floating-point outputs; null: it has none"
    )
    infinite_elsewhere: int = Field(
        default=0, description="Infinite elements of the engine that are another value in the reference"
    )


class SweepPointReport(Model):
    """The engine at one batch size, called by so many clients at once."""

    batch_size: int = Field(description="Items per query")
    clients: int = Field(description="Callers at once, each with one query at a time")
    status: Status
    reasons: list[ReasonReport] = Field(default=[])
    knee: bool = Field(default=False, description="Beyond this point more throughput costs more latency than it gives")
    core: float | None = Field(default=None, description="SUT calls only (copies included), all clients, items per second")
    whole: float | None = Field(default=None, description="With data loading and evaluation, items per second")
    core_interval: IntervalReport | None = Field(default=None, description="Of `core`, items per second")
    accuracy: float | None = Field(default=None, description="In the case's accuracy_metric's unit")
    latency: LatencyReport | None = None
    compile_seconds: float | None = Field(default=None, description="Duration in seconds")
    detail: str = Field(default="", description="What went wrong, or a note")


class ScenarioReport(Model):
    """One of MLPerf's scenarios as loadgen drove it."""

    name: str = Field(description="SingleStream, MultiStream, Server or Offline")
    mode: str = Field(description="PerformanceOnly or FindPeakPerformance")
    status: Status
    reasons: list[ReasonReport] = Field(default=[], description="Why it is not plainly OK")
    notes: list[str] = Field(default=[], description="What a reader must know all the same")
    value: float | None = Field(default=None, description="The scenario's own metric, in `unit`")
    unit: str = Field(default="", description="samples/s, or ns for a latency")
    valid: bool | None = Field(default=None, description="loadgen's verdict; null: it gave none")
    accuracy: float | None = Field(default=None, description="In the case's accuracy_metric's unit")
    latency: LatencyReport | None = None
    samples: int | None = Field(default=None, description="Samples that were completed")
    seconds: float | None = Field(default=None, description="Duration in seconds")
    folder: str = Field(default="", description="Where loadgen's logs are, below the case's folder")
    settings: dict[str, Any] = Field(default={}, description='loadgen\'s, by name, {"value": …, "origin": …}')
    loadgen: dict[str, Any] = Field(default={}, description="loadgen's summary as it stands in its log")


class CheckReport(Model):
    """One compliance check of `--audit`."""

    name: str
    passed: bool | None = Field(default=None, description="null: it could not be made")
    detail: str


class OperatorReport(Model):
    """One kind of operator in a profiled pass."""

    name: str
    calls: int
    seconds: float = Field(description="Its own time, seconds")
    share: float = Field(description="Of all operators' time, 0..1")


class ProfileReport(Model):
    """One profiled pass, outside the measurement; the costliest operators first."""

    phase: str = Field(description="validation or inference")
    by: str = Field(description="The profiler")
    operators: list[OperatorReport] = Field(default=[])
    trace: str = Field(default="", description="A Chrome trace, below the case's folder")
    detail: str = ""
