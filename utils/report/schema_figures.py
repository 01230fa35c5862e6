"""The figures of report.json as pydantic models: which number has which unit. None means "not measured", never zero."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from utils.plain_text import plain_everywhere

Status = Literal["OK", "TAINTED", "INVALID", "FAILED"]


class Model(BaseModel):
    """A value that is never changed; keys that a newer version added are passed over when an old one reads them."""

    model_config = ConfigDict(frozen=True, from_attributes=True, populate_by_name=True, protected_namespaces=())


class TextModel(Model):
    """A value with texts that others wrote: they are plain, whether it was just made or read from a report of anybody's."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return plain_everywhere(value)


class ReasonReport(Model):
    """Why a case is not plainly OK."""

    kind: str = Field(description="CONFIG, IMAGE, HOST_LOST, TIMEOUT, OOM, CRASH, INTERRUPTED for FAILED, else a doubt's name")
    message: str


class PercentileReport(Model):
    """A nearest-rank percentile of the latencies."""

    latency_ms: float | None = Field(default=None, description="Milliseconds; null: withheld, since there are too few samples")
    upper_ms: float | None = Field(
        default=None, description="Milliseconds; at 99 % confidence the true percentile is not above this"
    )
    samples_needed: int = Field(description="Queries needed before this percentile may be quoted")


class LatencyReport(Model):
    """Latencies of one phase's queries in milliseconds, warm-up excluded."""

    count: int = Field(description="Number of queries measured")
    min_ms: float
    mean_ms: float
    max_ms: float
    percentiles: dict[str, PercentileReport] = Field(description="By name: p50, p90, p95, p99, p99.9")


class IntervalReport(Model):
    """Where a figure's true value lies, at 99 % confidence; in the figure's own unit."""

    low: float
    high: float


class WarmUpReport(Model):
    """What ran before anything was recorded."""

    queries: int
    seconds: float = Field(description="Duration in seconds")
    first_ms: float | None = Field(default=None, description="The first, cold query, milliseconds")
    stable: bool | None = Field(
        default=None, description="Whether three windows agreed before the limit; null: no warm-up was asked for"
    )


class DeviceReport(Model):
    """Where a phase ran, as framework or engine tell it."""

    kind: str | None = Field(default=None, description="As torch calls it: cpu, cuda, npu …; null: it has no word for it")
    name: str | None = Field(default=None, description="The device's own name")


class PhaseReport(Model):
    """How validation or inference came by its figures."""

    device: DeviceReport | None = Field(default=None, description="Where it ran; null: neither framework nor engine told")
    items: int | None = Field(default=None, description="Items measured")
    queries: int | None = Field(default=None, description="Queries measured")
    whole_seconds: float | None = Field(default=None, description="What `whole` divides by, seconds")
    core_seconds: float | None = Field(default=None, description="What `core` divides by, seconds")
    core_interval: IntervalReport | None = Field(default=None, description="Of `core`, items per second")
    warmup: WarmUpReport | None = None
    overhead_ms: float | None = Field(
        default=None, description="What the measuring loop itself costs per query, measured on an engine that does nothing, ms"
    )
    overhead_share: float | None = Field(default=None, description="overhead_ms / the median latency, a ratio")


class PhasePair(Model):
    """How the framework's validation and the engine's inference were measured."""

    validation: PhaseReport | None = None
    inference: PhaseReport | None = None


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
        default=None,
        description="Peak resident memory of the guest's process while it loaded and ran the model, bytes",
    )
    allocator_peak_bytes: int | None = Field(
        default=None, description="Peak of the framework's device allocator over the same time, bytes"
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


class CostReport(Model):
    """What the model asks for, counted in its exported graph."""

    flops_per_item: float | None = Field(default=None, description="Floating-point operations per item, 2 per multiply-add")
    bytes_per_query: float | None = Field(
        default=None, description="Bytes that one query must move at least: weights once, inputs and outputs"
    )
    uncounted: list[str] = Field(default=[], description="Operators whose operations are not in flops_per_item")


class PeakReport(Model):
    """What the chip can do, as the guest measured it or somebody published it."""

    precision: str
    flops: float | None = Field(default=None, description="Operations per second at `precision`")
    bytes_per_second: float | None = Field(default=None, description="Of the device's memory, bytes per second")
    source: str = Field(description="`measured`, or whose figures these are")
    detail: str = ""


class RooflineReport(Model):
    """Where the model stands on the chip's roofline. Intensity counts only bytes that must be moved, so it is an upper limit."""

    intensity: float = Field(description="Operations per byte of one query, at most")
    ridge: float = Field(description="Operations per byte from which on arithmetic is the bound")
    bound: Literal["memory", "arithmetic"]
    peak_flops: float = Field(description="Operations per second")
    peak_bytes_per_second: float = Field(description="Of the device's memory, bytes per second")
    attainable_flops: float = Field(description="The most that this intensity lets the chip do, operations per second")
    achieved_flops: float | None = Field(default=None, description="Reached in the quoted phase's core, operations per second")
    attained: float | None = Field(default=None, description="achieved_flops / attainable_flops, a ratio")
    source: str = Field(description="`measured`, or whose peaks these are")


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
    peak_flops: float | None = Field(default=None, description="The peak that mfu is a share of, operations per second")
    mfu: float | None = Field(default=None, description="flops_per_second / peak_flops, a ratio (1 is the peak)")
    mfu_source: Literal["published", "measured"] | None = Field(
        default=None, description="Whether peak_flops is the chip's published dense peak, or was measured in this run"
    )
    roofline: RooflineReport | None = None
    cost: CostReport | None = None
    peak: PeakReport | None = None
    latency: LatencyPair = LatencyPair()
    phases: PhasePair = PhasePair()
    compile_seconds: float | None = Field(default=None, description="What the engine's compilation took, seconds")
    load_seconds: float | None = Field(default=None, description="What loading a compiled engine took, seconds")
    memory: MemoryReport = MemoryReport()
    power: PowerReport = PowerReport()
    utilisation: SpreadReport | None = Field(default=None, description="Of the device, percent (0..100)")
    temperature: SpreadReport | None = Field(default=None, description="Of the device, degrees Celsius")
    steal_percent: SpreadReport | None = Field(
        default=None, description="Processor time that the host's hypervisor gave to others, percent (0..100) of all processors"
    )
    cpu_pressure_percent: SpreadReport | None = Field(
        default=None, description="Time in which some task of the host, the guest's too, waited for a processor, percent (0..100)"
    )
    foo_seconds: float | None = Field(
        default=None, description="Not inference by the engine's own word, in the quoted phase; subtracted; seconds"
    )
