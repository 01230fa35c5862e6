"""The host's own doubts of a measured case, from its monitors' readings: the clock, memory, a device shared, a loaded host."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from statistics import median

from tools.contract import OK, TAINTED, Reason, Result
from utils.monitoring.model import MonitorSummary, Series
from utils.report.metrics import saw_only_what_was_measured
from utils.report.placement import of_what_was_measured, placement_doubts

CLOCK_DROP = 0.10
CLOCK_SHARE = 0.05
"""A clock fell when in more than this share of the readings (two at least) it was more than CLOCK_DROP below its usual rate …"""

CLOCK_USUAL = 0.9
"""… which is that of this quantile: one that falls early and stays low has a low median."""

COOL = "cool the device, look at its power limit, or fix its clock, and measure again"

BUSY_SHARE = 0.5
"""Readings count while a device is at least this share as busy as in the median: an idle one lowers its clock on purpose."""

MOST_MEMORY = 0.95
MOST_STOLEN = 2.0
MOST_WAITING = 25.0
"""Percent of the time, as the guest has it: threads of its own that outnumber the processors wait for each other, too."""

LEAST_SWAPPED = 64 * 2**20
FOREIGN_BYTES = 2**30
"""A device's driver and firmware keep some hundred MiB for themselves; more than this before the guest begins is a process's."""

GIB = 2**30


def judged(result: Result, vendor: MonitorSummary | None, system: MonitorSummary | None) -> tuple[str, list[Reason]]:
    """Return a case's status and reasons with the host's doubts: they make OK TAINTED, and nothing worse.

    A doubt of a kind that the guest, who sees more closely, already has is left out, and so are all of a case worse than that.
    """
    known = {reason.kind for reason in result.reasons}
    found = [one for one in doubts(result, vendor, system) if one.kind not in known]
    if result.status not in (OK, TAINTED) or not found:
        return result.status, list(result.reasons)
    return TAINTED, [*result.reasons, *found]


def doubts(result: Result, vendor: MonitorSummary | None, system: MonitorSummary | None) -> list[Reason]:
    """Return what the monitors saw in the measured steps that may have changed their figures; a monitor is asked for its
    statistics only where they are those of the quoted phase."""
    found = placement_doubts(result, vendor)
    vendor = of_what_was_measured(result, vendor)
    if vendor is not None:
        found += [*_throttled(result, vendor), *_foreign(result, vendor, system)]
    if vendor is not None and saw_only_what_was_measured(result, vendor) and not _is_host_memory(vendor, system):
        found += _device_memory(vendor)
    if system is not None and saw_only_what_was_measured(result, system):
        found += [*_host_memory(system), *_host_load(system)]
    return found


def _throttled(result: Result, vendor: MonitorSummary) -> list[Reason]:
    """What a device says of itself goes before what its clock tells."""
    told = [reason for series in _named(vendor, "throttled_percent") for reason in _said(result, series)]
    return told or list(_clock(result, vendor))


def _said(result: Result, series: Series) -> Iterable[Reason]:
    for start, stop in _measured(result):
        values = _between(series, start, stop)
        slowed = sum(value > 0 for value in values)
        if slowed > max(1.0, CLOCK_SHARE * len(values)):
            text = "{}: it slowed itself down for heat or a lack of power (in {:.0f} % of the readings); {}"
            yield Reason("clock", text.format(series.device, 100 * slowed / len(values), COOL))
            return


def _measured(result: Result) -> list[tuple[float, float]]:
    return [span for step in result.steps if step.letter in ("c", "f") and (span := _span(step.started, step.seconds))]


def _clock(result: Result, vendor: MonitorSummary) -> Iterable[Reason]:
    """A throttled device: its clock over the steps in which it was measured, while it was busy."""
    busy = {series.device: series for series in vendor.series if series.name == "utilisation_percent"}
    for series in _named(vendor, "frequency_mhz"):
        for start, stop in _measured(result):
            values = _busy_values(series, busy.get(series.device), start, stop)
            usual = sorted(values)[int(CLOCK_USUAL * (len(values) - 1))] if values else 0.0
            slow = [value for value in values if value < (1 - CLOCK_DROP) * usual]
            if len(slow) > max(1.0, CLOCK_SHARE * len(values)):
                text = "{}: the clock fell to {:,.0f} MHz from {:,.0f} (in {:.0f} % of the readings); {}"
                share = 100 * len(slow) / len(values)
                yield Reason("clock", text.format(series.device, min(slow), usual, share, COOL))
                break


def _busy_values(clock: Series, busy: Series | None, start: float, stop: float) -> list[float]:
    readings = [(time, value) for time, value in zip(clock.times, clock.values, strict=True) if start <= time <= stop]
    if busy is None or not busy.times or not readings:
        return [value for _, value in readings]
    shares = [_nearest(busy, time) for time, _ in readings]
    least = BUSY_SHARE * median(shares)
    return [value for (_, value), share in zip(readings, shares, strict=True) if share >= least]


def _nearest(series: Series, time: float) -> float:
    place = bisect_left(series.times, time)
    around = [one for one in (place - 1, place) if 0 <= one < len(series.times)]
    return series.values[min(around, key=lambda one: abs(series.times[one] - time))]


def _device_memory(vendor: MonitorSummary) -> Iterable[Reason]:
    """Devices of one kind have equal shares of the memory there is; of different ones, only the sum is known."""
    used, total = vendor.memory_used_max_bytes, vendor.memory_total_bytes
    fullest = used
    if vendor.chip and total and vendor.window and len(vendor.devices) > 1:
        total /= len(vendor.devices)
        inside = (_between(series, *vendor.window) for series in _named(vendor, "memory_used_bytes"))
        fullest = max((max(values) for values in inside if values), default=None)
    if total and fullest is not None and fullest >= MOST_MEMORY * total:
        yield Reason("device memory", f"{_of(fullest, total)} of the device's memory were in use; lower batch_size")


def _foreign(result: Result, vendor: MonitorSummary, system: MonitorSummary | None) -> Iterable[Reason]:
    """Another process on the device: memory in use before the guest began. A processor's memory is everybody's."""
    begin = next((step.started for step in result.steps if step.started is not None), None)
    if begin is None or _is_host_memory(vendor, system):
        return
    for series in _named(vendor, "memory_used_bytes"):
        before = [value for time, value in zip(series.times, series.values, strict=True) if time < begin]
        if before and min(before) > FOREIGN_BYTES:
            text = f"{series.device}: {min(before) / GIB:.1f} GiB were in use before the guest began; stop what else runs on it"
            yield Reason("foreign process", text)


def _host_memory(system: MonitorSummary) -> Iterable[Reason]:
    used, total, swap = system.memory_used_max_bytes, system.memory_total_bytes, system.swap_used_bytes
    if swap is not None and swap.maximum - swap.minimum >= LEAST_SWAPPED:
        grown = (swap.maximum - swap.minimum) / GIB
        yield Reason("memory", f"the host swapped {grown:.2f} GiB while it was measured; lower batch_size or num_workers")
    elif used is not None and total and used >= MOST_MEMORY * total:
        yield Reason("memory", f"{_of(used, total)} of the host's memory were in use; lower batch_size or num_workers")


def _host_load(system: MonitorSummary) -> Iterable[Reason]:
    stolen, waiting = system.steal_percent, system.cpu_pressure_percent
    if stolen is not None and stolen.mean > MOST_STOLEN:
        text = f"the hypervisor took {stolen.mean:.1f} % of the processors' time away; use a machine of your own"
        yield Reason("loaded host", text)
    elif waiting is not None and waiting.mean > MOST_WAITING:
        text = (
            f"tasks waited for a processor {waiting.mean:.0f} % of the time; lower threads or num_workers, or stop what else runs"
        )
        yield Reason("loaded host", text)


def _is_host_memory(vendor: MonitorSummary, system: MonitorSummary | None) -> bool:
    """Whether the device's memory is the host's own, as a processor's is."""
    return system is not None and vendor.memory_total_bytes == system.memory_total_bytes


def _named(monitor: MonitorSummary, name: str) -> list[Series]:
    return [series for series in monitor.series if series.name == name and series.times]


def _between(series: Series, start: float, stop: float) -> list[float]:
    return [value for time, value in zip(series.times, series.values, strict=True) if start <= time <= stop]


def _span(started: float | None, seconds: float | None) -> tuple[float, float] | None:
    return None if started is None or seconds is None else (started, started + seconds)


def _of(used: float, total: float) -> str:
    return f"{used / GIB:.1f} of {total / GIB:.1f} GiB"
