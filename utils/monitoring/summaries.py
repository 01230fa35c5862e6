"""What a case's two monitors saw of it, read from its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from utils.monitoring.log import summarise
from utils.report.metrics import measured_window

if TYPE_CHECKING:
    from tools.contract import Result
    from utils.monitoring.model import MonitorSummary
    from utils.plan import RunPlan


def monitor_summaries(plan: RunPlan, log_dir: Path, result: Result | None) -> tuple[MonitorSummary | None, MonitorSummary | None]:
    """The vendor's monitor and the system's, over the time that `result` was measured in; None where there is no log."""
    window = measured_window(result) if result is not None else None
    vendor = _summary(plan.checkout / "docker_images" / plan.vendor, plan.vendor, log_dir, window)
    return vendor, _summary(plan.checkout / "utils", "sys", log_dir, window)


def _summary(folder: Path, name: str, log_dir: Path, window: tuple[float, float] | None) -> MonitorSummary | None:
    """What a monitor saw while it was measured; of the whole case where that was too short for a reading."""
    log = log_dir / f"{name}_monitor.log"
    if not os.path.lexists(log):
        return None
    measured = summarise(folder, name, log, *window) if window else None
    return measured if measured and measured.readings else summarise(folder, name, log)
