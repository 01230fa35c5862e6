"""How far from its chip's peak a case ran: which peak that is, published or measured, MFU, and the roofline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tools.contract import Peak, Phase, Result
from utils.monitoring.model import MonitorSummary
from utils.report.roofline import Roofline, roofline

Source = Literal["published", "measured"]


@dataclass(frozen=True)
class Efficiency:
    """FLOP per item and per second, the chip's peak in FLOP/s and where that is from, and MFU, a ratio. None: not known."""

    flops_per_item: float | None
    flops_per_second: float | None
    peak_flops: float | None
    mfu: float | None
    mfu_source: Source | None
    roofline: Roofline | None
    notes: tuple[str, ...]


def efficiency(result: Result, phase: Phase | None, vendor: MonitorSummary | None) -> Efficiency:
    """Return how far from the peak `phase` ran. A published peak goes first; where there is none, the one that the guest measured
    in the same run stands in for it."""
    per_item = flops_per_item(result)
    core = phase.core if phase else None
    speed = None if per_item is None or core is None else per_item * core
    peaks = [(source, peak) for source, peak in _peaks(result, vendor) if peak.flops]
    source, peak = peaks[0] if peaks else (None, None)
    mfu = None if speed is None or peak is None or not peak.flops else speed / peak.flops
    positions = (roofline(result.cost, one, result.batch_size, core, per_item) for _, one in peaks)
    return Efficiency(
        flops_per_item=per_item,
        flops_per_second=speed,
        peak_flops=peak.flops if peak else None,
        mfu=mfu,
        mfu_source=source if mfu is not None else None,
        roofline=next(filter(None, positions), None),
        notes=() if phase is None or core is None else tuple(_notes(result, phase, vendor, per_item, mfu, source)),
    )


def flops_per_item(result: Result) -> float | None:
    """Return the configuration's figure, or what was counted in the exported graph where that left nothing out."""
    if result.flops_per_item is not None or result.cost is None or result.cost.uncounted:
        return result.flops_per_item
    return result.cost.flops_per_item


def _peaks(result: Result, vendor: MonitorSummary | None) -> Iterable[tuple[Source, Peak]]:
    """The chip's peaks at the case's own precision, the one to be quoted first."""
    precision = result.precision or ""
    if vendor is not None and vendor.peak_flops:
        figures = vendor.peak_flops.get(precision), vendor.peak_bytes_per_second
        yield "published", Peak(precision, *figures, source=vendor.peak_source or "published")
    if result.peak is not None and result.peak.precision == precision:
        yield "measured", result.peak


def _notes(
    result: Result,
    phase: Phase,
    vendor: MonitorSummary | None,
    per_item: float | None,
    mfu: float | None,
    source: Source | None,
) -> Iterable[str]:
    if per_item is None:
        left_out = ", ".join(result.cost.uncounted) if result.cost else ""
        yield "no MFU: the case's configuration has no flops" + (f", and counting them leaves out {left_out}" if left_out else "")
    elif mfu is None:
        yield f"no MFU: {_no_peak(result, phase, vendor)}"
    elif mfu > 1 and source == "published":
        yield f"an MFU of {mfu:.1%} cannot be: the configuration's flops or the chip's peak is wrong"
    elif mfu > 1:
        yield f"an MFU of {mfu:.1%} is of a measured peak: the framework's best matrix product was slower than this model"


def _no_peak(result: Result, phase: Phase, vendor: MonitorSummary | None) -> str:
    measured = f"; measured: {result.peak.detail}" if result.peak is not None else ""
    if phase.device is not None and phase.device.belongs_to(result.vendor) is False:
        return f"{phase.device} is no device of vendor {result.vendor}"
    if vendor is None:
        return "no vendor monitor told the chip" + measured
    chip = vendor.chip or "this chip"
    if not vendor.peak_flops:
        return f"no peak is known for {chip}; docker_images/{result.vendor}/chips.yaml takes one, with its source" + measured
    return f"{chip} has no published {result.precision} peak" + measured
