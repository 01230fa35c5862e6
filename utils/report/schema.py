"""report.json as pydantic models; the one place that says which number has which unit. None means "not measured", never zero."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["OK", "TAINTED", "INVALID", "FAILED"]


class Model(BaseModel):
    """A value that is never changed; keys that a newer version added are passed over when an old one reads them."""

    model_config = ConfigDict(frozen=True, from_attributes=True, populate_by_name=True, protected_namespaces=())


class ReasonReport(Model):
    """Why a case is not plainly OK."""

    kind: str = Field(description="CONFIG, IMAGE, HOST_LOST, TIMEOUT, OOM, CRASH, INTERRUPTED for FAILED, else a doubt's name")
    message: str


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


class PercentileReport(Model):
    """A nearest-rank percentile of the latencies."""

    latency_ms: float | None = Field(default=None, description="Milliseconds; null: withheld, since there are too few samples")
    samples_needed: int = Field(description="Queries needed before this percentile may be quoted")


class LatencyReport(Model):
    """Latencies of one phase's queries in milliseconds, warm-up excluded."""

    count: int = Field(description="Number of queries measured")
    min_ms: float
    mean_ms: float
    max_ms: float
    percentiles: dict[str, PercentileReport] = Field(description="By name: p50, p90, p99")


class LatencyPair(Model):
    """Latencies of the framework's validation and of the engine's inference."""

    validation: LatencyReport | None = None
    inference: LatencyReport | None = None


class SpreadReport(Model):
    """Mean and extremes over a monitor's readings."""

    mean: float
    minimum: float
    maximum: float


class MemoryReport(Model):
    """Memory in bytes."""

    process_peak_bytes: int | None = Field(
        default=None, description="Peak resident memory of the guest's process over all steps, bytes"
    )
    allocator_peak_bytes: int | None = Field(
        default=None, description="Peak of the framework's device allocator over all steps, bytes"
    )
    device_used_max_bytes: float | None = Field(
        default=None, description="Most the vendor's monitor saw in use, over all devices, bytes"
    )
    device_total_bytes: float | None = Field(default=None, description="Memory there is, over all devices, bytes")


class PowerReport(Model):
    """Electric power and energy, summed over devices."""

    mean_watts: float | None = Field(default=None, description="Mean over the monitor's window, watts")
    max_watts: float | None = Field(default=None, description="Largest reading, watts")
    energy_joules: float | None = Field(default=None, description="Over the monitor's window, joules")
    joules_per_item: float | None = Field(
        default=None, description="mean_watts / the quoted phase's whole, where the window is that phase's"
    )
    source: str | None = Field(default=None, description="The monitor these come from")


class Metrics(Model):
    """The numbers of one case. The quoted phase is inference, or validation where compiler is null."""

    validation_whole: float | None = Field(
        default=None, description="Framework, with data loading and evaluation, items per second"
    )
    validation_core: float | None = Field(
        default=None, description="Framework, SUT calls only (copies included), items per second"
    )
    inference_whole: float | None = Field(default=None, description="Engine, with data loading and evaluation, items per second")
    inference_core: float | None = Field(default=None, description="Engine, SUT calls only (copies included), items per second")
    speedup: float | None = Field(default=None, description="inference_core / validation_core, a ratio")
    accuracy_metric: str | None = Field(default=None, description="Name of the accuracy metric, e.g. top1")
    accuracy_validation: float | None = Field(default=None, description="Accuracy of the framework, in accuracy_metric's unit")
    accuracy_inference: float | None = Field(default=None, description="Accuracy of the engine, in accuracy_metric's unit")
    flops_per_item: float | None = Field(
        default=None, description="Floating-point operations per item; a multiply-add counts as two"
    )
    flops_per_second: float | None = Field(
        default=None, description="flops_per_item x the quoted phase's core, operations per second"
    )
    peak_flops: float | None = Field(default=None, description="The chip's published dense peak at this precision, per second")
    mfu: float | None = Field(default=None, description="flops_per_second / peak_flops, a ratio (1 is the peak)")
    latency: LatencyPair = LatencyPair()
    memory: MemoryReport = MemoryReport()
    power: PowerReport = PowerReport()
    utilisation: SpreadReport | None = Field(default=None, description="Of the device, percent (0..100)")
    temperature: SpreadReport | None = Field(default=None, description="Of the device, degrees Celsius")
    foo_seconds: float | None = Field(
        default=None, description="Not inference by the engine's own word, in the quoted phase; subtracted; seconds"
    )


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
    devices: list[str] = []
    chip: str | None = None
    memory_used_max_bytes: float | None = Field(default=None, description="Bytes")
    memory_total_bytes: float | None = Field(default=None, description="Bytes")
    utilisation_percent: SpreadReport | None = Field(default=None, description="Percent (0..100)")
    power_watts: SpreadReport | None = Field(default=None, description="Watts")
    energy_joules: float | None = Field(default=None, description="Joules")
    temperature_celsius: SpreadReport | None = Field(default=None, description="Degrees Celsius")
    frequency_mhz: SpreadReport | None = Field(default=None, description="Megahertz")
    load_average: SpreadReport | None = Field(default=None, description="Runnable processes, 1-minute average")
    peak_flops: dict[str, float] | None = Field(
        default=None, description="By precision: published dense peak, operations per second"
    )
    peak_source: str | None = Field(default=None, description="Where the peaks were published")
    series: list[SeriesReport] = []
    errors: list[str] = []
    window: tuple[float, float] | None = Field(
        default=None, description="Start and stop that the statistics count, seconds since the Unix epoch; null: all"
    )


class CaseReport(Model):
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
    reasons: list[ReasonReport] = []
    notes: list[str] = []
    metrics: Metrics = Metrics()
    steps: list[StepReport] = []
    config: dict[str, Any] = Field(default={}, description='As resolved: by key, {"value": …, "origin": …}')
    engine: dict[str, Any] = Field(default={}, description="What the engine's describe() said really ran")
    environment: dict[str, Any] = Field(default={}, description="The guest's versions and hardware")
    artifacts: dict[str, Any] = Field(default={}, description="Paths and hashes of weights, ONNX and engine files")
    monitors: list[MonitorReport] = []

    @property
    def folder(self) -> str:
        """Where this case's files lie below the run's folder."""
        return f"{self.case}:{self.framework}/{self.host}_noderank{self.rank}"


class RunReport(Model):
    """The run as a whole."""

    id: str
    started: float = Field(description="Seconds since the Unix epoch")
    seconds: float = Field(description="Duration in seconds")
    config_file: str
    runtime: str
    vendor: str
    hosts: list[str] = []
    versions: dict[str, str] = Field(default={}, description="Of the host's Python, packages and this project")
    overrides: list[str] = Field(default=[], description="What the command line changed, as typed")
    host_config: dict[str, Any] = Field(default={}, description='As resolved: by key, {"value": …, "origin": …}')
    summary: dict[str, int] = Field(default={}, description="Number of cases by status")
    exit_code: int


class Report(Model):
    """report.json of one run."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    run: RunReport
    cases: list[CaseReport]


def json_schema() -> str:
    """Return report.json's JSON Schema as docs/report.schema.json has it; `python -m utils.report.schema` prints it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Report.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(json_schema())
