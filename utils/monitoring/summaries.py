"""What a case's two monitors saw of it, read from its folder."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import ConfigError
from utils.monitoring.chips import find_chip
from utils.monitoring.log import summarise, with_peaks
from utils.report.metrics import measured_window, model_window, quoted_phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.contract import Result
    from utils.monitoring.model import MonitorSummary
    from utils.plan import RunPlan


def monitor_summaries(plan: RunPlan, log_dir: Path, result: Result | None) -> tuple[MonitorSummary | None, MonitorSummary | None]:
    """The vendor's monitor and the system's, over the time that `result` was measured in; None where there is no log."""
    windows = (measured_window(result), model_window(result)) if result is not None else ()
    folder = plan.checkout / "docker_images" / plan.vendor
    vendor = _of_device(_summary(folder, plan.vendor, log_dir, windows), folder / "chips.yaml", result)
    return vendor, _summary(plan.checkout / "utils", "sys", log_dir, windows)


def _of_device(summary: MonitorSummary | None, chips_yaml: Path, result: Result | None) -> MonitorSummary | None:
    """The summary with the peaks of the device that the guest names, where the monitor's own are not its: one of several chips
    that differ, which have no peak in common; a slice of a chip, which has none of its own; or a name that is not known. Where
    the name is that of a chip that the monitor did not see at all, the summary says so."""
    phase = quoted_phase(result) if result is not None else None
    device = phase.device if phase is not None else None
    if summary is None or device is None or device.name is None or device.kind in (None, "cpu"):
        return summary
    with contextlib.suppress(ConfigError):  # it stands in the summary's errors
        chip = find_chip(chips_yaml, device.name)
        names = [name.partition(": ")[2] for name in summary.devices]
        seen = [find_chip(chips_yaml, name) for name in names]
        if chip is None:
            return summary if device.name in names else _without_peaks(summary, device.name)
        if chip not in seen and seen and None not in seen:
            return replace(summary, elsewhere=device.name)
        return with_peaks(summary, chip)
    return summary


def _without_peaks(summary: MonitorSummary, name: str) -> MonitorSummary:
    if not summary.peak_flops:
        return summary
    is_part = summary.chip is not None and name.startswith(summary.chip)
    why = f"is a part of {summary.chip}" if is_part else "is no chip of chips.yaml (see its `match`)"
    return replace(with_peaks(summary, None), errors=(*summary.errors, f"no published peak: {name} {why}"))


def _summary(folder: Path, name: str, log_dir: Path, windows: Sequence[tuple[float, float] | None]) -> MonitorSummary | None:
    """What a monitor saw in the first of these windows that it has a reading of; of the whole case where there is none."""
    log = log_dir / f"{name}_monitor.log"
    if not os.path.lexists(log):
        return None
    for window in filter(None, windows):
        summary = summarise(folder, name, log, *window)
        if summary.readings:
            return summary
    return summarise(folder, name, log)
