"""What report.json says of one case over all of its hosts."""

from __future__ import annotations

from pydantic import Field

from utils.report.schema_figures import Model, TextModel


class HostSpreadReport(Model):
    """One figure of the engine (of the framework, where there is none) over the hosts that measured it: OK or TAINTED."""

    figure: str = Field(description="core and whole (items per second), p50_ms, p99_ms, accuracy, mfu, mean_watts")
    hosts: int = Field(description="So many hosts have it")
    minimum: float
    median: float
    maximum: float
    ratio: float | None = Field(default=None, description="Maximum over minimum; null where the minimum is 0")
    minimum_host: str
    maximum_host: str
    outliers: list[str] = Field(
        default=[], description="Hosts far off the median (modified z-score over 3.5), the farthest first"
    )


class HostsReport(TextModel):
    """One case over its hosts."""

    case: str
    framework: str
    hosts: int = Field(description="So many were asked for it")
    measured: int = Field(description="So many of them measured it: OK or TAINTED")
    spreads: list[HostSpreadReport] = Field(default=[])
