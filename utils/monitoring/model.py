"""What a monitor's log says once it is read: values only. Seconds since the epoch, bytes, watts, Celsius, 0..100 percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean and extremes of one quantity over the readings that reported it."""

    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Series:
    """A quantity over time for one device, thinned for plotting: at most some 500 points."""

    name: str
    unit: str
    device: str
    times: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class MonitorSummary:
    """One monitor's log. None where the tool reports nothing; sums over the devices for memory, power and energy."""

    monitor: str
    readings: int
    devices: Sequence[str] = ()
    chip: str | None = None
    memory_used_max_bytes: float | None = None
    memory_total_bytes: float | None = None
    utilisation_percent: Spread | None = None
    power_watts: Spread | None = None
    energy_joules: float | None = None
    temperature_celsius: Spread | None = None
    frequency_mhz: Spread | None = None
    load_average: Spread | None = None
    peak_flops: dict[str, float] | None = None
    peak_source: str | None = None
    series: Sequence[Series] = ()
    errors: Sequence[str] = ()
