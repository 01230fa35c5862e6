"""Whether a vendor's monitor watched the device that the quoted numbers are of; no other one's peak and watts are theirs."""

from __future__ import annotations

from tools.contract import Reason, Result
from utils.monitoring.model import MonitorSummary
from utils.report.metrics import quoted_phase, saw_only_what_was_measured

FEWEST_READINGS = 4
"""So many readings without any use are no accident."""


def of_what_was_measured(result: Result, vendor: MonitorSummary | None) -> MonitorSummary | None:
    """Return the vendor's monitor; None where the quoted phase is known to have run elsewhere than on the devices that it saw."""
    if vendor is None or _ran_elsewhere(result) or vendor.elsewhere or stood_idle(result, vendor):
        return None
    return vendor


def placement_doubts(result: Result, vendor: MonitorSummary | None) -> list[Reason]:
    """Return the doubt of numbers that the monitored devices cannot have made: others did, or they did nothing meanwhile."""
    if vendor is None or _ran_elsewhere(result):
        return []
    if vendor.elsewhere:
        text = f"it ran on {vendor.elsewhere}, but the monitor saw {', '.join(vendor.devices)}: is it the same host and engine?"
        return [Reason("unwatched device", text)]
    if not stood_idle(result, vendor):
        return []
    text = (
        f"{vendor.chip or 'the monitored devices'} stood idle (0 % in all {vendor.readings} readings) while it was measured: the"
        " numbers are those of another device; have the engine's describe() tell which"
    )
    return [Reason("idle device", text)]


def stood_idle(result: Result, vendor: MonitorSummary) -> bool:
    """Whether no device was in use in any reading of the quoted phase."""
    use = vendor.utilisation_percent
    told = use is not None and use.maximum <= 0 and vendor.readings >= FEWEST_READINGS
    return told and saw_only_what_was_measured(result, vendor)


def _ran_elsewhere(result: Result) -> bool:
    phase = quoted_phase(result)
    return phase is not None and phase.device is not None and phase.device.belongs_to(result.vendor) is False
