"""report.json as pydantic models: a run and its cases. None means "not measured", never zero.

The figures of a case are in schema_figures.py, what else it may have in schema_sections.py, a case over its hosts in
schema_hosts.py; other modules take all from here.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from utils.report.schema_figures import (
    CostReport,
    DeviceReport,
    IntervalReport,
    LatencyPair,
    LatencyReport,
    MemoryReport,
    Metrics,
    Model,
    PeakReport,
    PercentileReport,
    PhasePair,
    PhaseReport,
    PowerReport,
    ReasonReport,
    RooflineReport,
    SpreadReport,
    Status,
    TextModel,
    WarmUpReport,
)
from utils.report.schema_hosts import HostSpreadReport, HostsReport
from utils.report.schema_sections import (
    CheckReport,
    DifferenceReport,
    OperatorReport,
    ProfileReport,
    ScenarioReport,
    SweepPointReport,
)

__all__ = [
    "CaseReport",
    "CheckReport",
    "CostReport",
    "DeviceReport",
    "DifferenceReport",
    "HostSpreadReport",
    "HostsReport",
    "IntervalReport",
    "LatencyPair",
    "LatencyReport",
    "MemoryReport",
    "Metrics",
    "Model",
    "MonitorReport",
    "OperatorReport",
    "PeakReport",
    "PercentileReport",
    "PhasePair",
    "PhaseReport",
    "PowerReport",
    "ProfileReport",
    "ReasonReport",
    "Report",
    "RooflineReport",
    "RunReport",
    "ScenarioReport",
    "SeriesReport",
    "SpreadReport",
    "Status",
    "StepReport",
    "SweepPointReport",
    "WarmUpReport",
    "json_schema",
]

OLDER = (1,)
"""What version 2 has more than version 1 may all be missing, so a report of that is read as one of this."""


class StepReport(Model):
    """One of the guest's seven steps."""

    letter: str
    name: str
    outcome: str = Field(description="ok, skipped or failed")
    started: float | None = Field(default=None, description="Seconds since the Unix epoch")
    seconds: float | None = Field(default=None, description="Duration in seconds")
    peak_memory_bytes: int | None = Field(default=None, description="Peak resident memory of the guest's process, bytes")
    peak_device_memory_bytes: int | None = Field(default=None, description="Peak of the framework's device allocator, bytes")
    detail: str = ""


class SeriesReport(Model):
    """A quantity over time for one device, thinned."""

    name: str
    unit: str
    device: str
    times: list[float] = Field(description="Seconds since the Unix epoch")
    values: list[float] = Field(description="In `unit`")


class MonitorReport(Model):
    """What one monitor's log says. Sums over the devices for memory, power and energy."""

    monitor: str
    readings: int
    devices: list[str] = Field(default=[])
    chip: str | None = None
    of_what_was_measured: bool = Field(
        default=True, description="false: the case's numbers are known to be those of another device than these"
    )
    memory_used_max_bytes: float | None = Field(default=None, description="Bytes")
    memory_total_bytes: float | None = Field(default=None, description="Bytes")
    utilisation_percent: SpreadReport | None = Field(default=None, description="Percent (0..100)")
    power_watts: SpreadReport | None = Field(default=None, description="Watts")
    energy_joules: float | None = Field(default=None, description="Joules")
    temperature_celsius: SpreadReport | None = Field(default=None, description="Degrees Celsius")
    frequency_mhz: SpreadReport | None = Field(default=None, description="Megahertz")
    load_average: SpreadReport | None = Field(default=None, description="Runnable processes, 1-minute average")
    steal_percent: SpreadReport | None = Field(default=None, description="Percent (0..100) of all processors' time")
    cpu_pressure_percent: SpreadReport | None = Field(default=None, description="Percent (0..100) of the time")
    swap_used_bytes: SpreadReport | None = Field(default=None, description="Bytes; null: the host has no swap")
    peak_flops: dict[str, float] | None = Field(
        default=None, description="By precision: published dense peak, operations per second"
    )
    peak_bytes_per_second: float | None = Field(default=None, description="Published bandwidth of one device's memory")
    peak_source: str | None = Field(default=None, description="Where the peaks were published")
    series: list[SeriesReport] = Field(default=[])
    errors: list[str] = Field(default=[])
    window: tuple[float, float] | None = Field(
        default=None, description="Start and stop that the statistics count, seconds since the Unix epoch; null: all"
    )


class CaseReport(TextModel):
    """One case on one host: the numbers and the conditions they hold under."""

    host: str
    rank: int = Field(description="The host's place in HOSTS, from 0")
    case: str
    framework: str
    vendor: str
    runtime: str = Field(description="docker or process")
    data: str = Field(description="The data directory, or the name of the case's built-in data")
    compiler: str | None = Field(default=None, description="The engine; null: only the framework was measured")
    precision: str | None = Field(default=None, description="fp32, fp16, bf16 or int8")
    batch_size: int | None = Field(default=None, description="Items per query")
    status: Status
    reasons: list[ReasonReport] = Field(default=[])
    notes: list[str] = Field(default=[])
    metrics: Metrics = Metrics()
    difference: DifferenceReport | None = Field(default=None, description="The engine's outputs against the framework's")
    validation_difference: DifferenceReport | None = Field(
        default=None, description="The framework's outputs at the case's precision against its own in fp32"
    )
    sweep: list[SweepPointReport] = Field(default=[], description="By batch size and clients")
    scenarios: list[ScenarioReport] = Field(default=[], description="MLPerf's, as its loadgen drove them")
    audit: list[CheckReport] = Field(default=[], description="Compliance checks of `--audit`")
    profiles: list[ProfileReport] = Field(default=[], description="Profiled passes of `--profile`")
    steps: list[StepReport] = Field(default=[])
    config: dict[str, Any] = Field(default={}, description='As resolved: by key, {"value": …, "origin": …}')
    engine: dict[str, Any] = Field(default={}, description="What the engine's describe() said really ran")
    environment: dict[str, Any] = Field(default={}, description="The guest's versions and hardware")
    artifacts: dict[str, Any] = Field(default={}, description="Paths and hashes of weights, ONNX and engine files")
    monitors: list[MonitorReport] = Field(default=[])

    @property
    def folder(self) -> str:
        """Where this case's files lie below the run's folder."""
        return f"{self.case}:{self.framework}/{self.host}_noderank{self.rank}"


class RunReport(TextModel):
    """The run as a whole."""

    id: str
    started: float = Field(description="Seconds since the Unix epoch")
    seconds: float = Field(description="Duration in seconds; of a resumed run, of all its starts together")
    resumed: list[float] = Field(
        default=[], description="When run.py went on with this run after it had ended early, seconds since the Unix epoch"
    )
    config_file: str
    runtime: str
    vendor: str
    hosts: list[str] = Field(default=[])
    versions: dict[str, str] = Field(default={}, description="Of the host's Python, packages and this project")
    overrides: list[str] = Field(default=[], description="What the command line changed, as typed")
    host_config: dict[str, Any] = Field(default={}, description='As resolved: by key, {"value": …, "origin": …}')
    summary: dict[str, int] = Field(default={}, description="Number of cases by status")
    exit_code: int


def _current(version: Any) -> Any:
    return 2 if version in OLDER else version


class Report(Model):
    """report.json of one run."""

    schema_version: Annotated[Literal[2], BeforeValidator(_current)] = Field(default=2, alias="schema")
    run: RunReport
    cases: list[CaseReport]
    over_hosts: list[HostsReport] = Field(default=[], description="Of each case that ran on more than one host")


def json_schema() -> str:
    """Return report.json's JSON Schema as docs/report.schema.json has it; `python -m utils.report.schema` prints it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Report.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(json_schema())
