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
    """The summary with the peaks of the device that the guest names, where that is another than the monitor's: one of several
    chips that differ, which have no peak in common, or a slice of a chip, which has none of its own."""
    phase = quoted_phase(result) if result is not None else None
    device = phase.device if phase is not None else None
    if summary is None or device is None or device.name is None or device.kind in (None, "cpu"):
        return summary
    with contextlib.suppress(ConfigError):  # it stands in the summary's errors
        chip = find_chip(chips_yaml, device.name)
        if chip is not None:
            return with_peaks(summary, chip)
        if summary.chip and summary.peak_flops and device.name.startswith(summary.chip):
            note = f"no published peak: {device.name} is a part of {summary.chip}"
            return replace(with_peaks(summary, None), errors=(*summary.errors, note))
    return summary


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
