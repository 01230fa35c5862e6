"""How numbers, durations and statuses are worded, alike in terminal, Markdown and HTML. "—" is what was not measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import PurePosixPath
from urllib.parse import quote

from tools.contract import Device
from utils.report.schema import CaseReport, IntervalReport, ReasonReport, Report
from utils.runtime.masking import clean as clean  # noqa: PLC0414 - whoever words a report takes it from here

NOTHING = "—"
MOST_NAMED = 5
"""So many hosts are named in a sentence."""
STATUSES = ("OK", "TAINTED", "INVALID", "FAILED")
MARKS = {"OK": "✓", "TAINTED": "!", "INVALID": "✗", "FAILED": "✗"}

_ADVICE = {
    "CONFIG": "correct what the message names; `run.py check` sees much beforehand, but not what only a step of the case finds",
    "IMAGE": "what the build or the pull said is in host.out.log; once that is mended, only what changed is built again",
    "HOST_LOST": "`run.py check` tells whether host, sshd and Docker answer; once they do, `run.py run --resume` goes on",
    "TIMEOUT": "raise CASE_TIMEOUT, or make the case shorter (`--set repeat=1`)",
    "OOM": "lower batch_size (`--set batch_size=…`), or give it more memory in ACCE_CONTAINER_OPT or SHM_SIZE",
    "INTERRUPTED": "`run.py run --resume` goes on with it; what was measured, images and exported models are kept",
}
_PIP_ADVICE = (
    "correct what it names, or set PIP_SOURCE to an index that has it; all that pip printed is in the case's stdout_err.out.log"
)
_STEP_ADVICE = "the traceback is in the case's container.out.log"
_CRASH_ADVICE = "all that was printed is in the case's stdout_err.out.log, what run.py did in host.out.log"
_NO_ADVICE = ("other device",)
"""The reasons for INVALID that have nothing to do with export or engine."""
_NO_QUOTE = "do not quote these numbers"
_INVALID_ADVICE = f"{_NO_QUOTE}; `--set compiler=null` shows whether the export or the engine is wrong"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number to `digits` significant digits, whole numbers in full, with thousands separators."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    rounded = float(f"{value:.{digits}g}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(decimals, 0)}f}" if decimals <= digits + 3 else f"{rounded:.{digits - 1}e}"


def accuracy(value: float | None) -> str:
    """Return an accuracy: four decimals of a share, four significant digits of a score."""
    return number(value) if value is None or abs(value) > 1 else f"{value:.4f}"


def ratio(value: float | None) -> str:
    """Return a speed-up as `2.73x`."""
    return NOTHING if value is None else f"{number(value, 3)}x"


def percent(value: float | None) -> str:
    """Return a ratio in percent."""
    return NOTHING if value is None else f"{number(value * 100, 3)} %"


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """Return a number with its unit."""
    return NOTHING if value is None else f"{number(value, digits)} {unit}"


def milliseconds(value: float | None) -> str:
    """Return milliseconds as µs, ms or s, whichever reads best."""
    if value is None:
        return NOTHING
    if value < 1:
        return quantity(value * 1000, "µs")
    return quantity(value, "ms") if value < 1000 else duration(value / 1000)


def interval(bounds: IntervalReport) -> str:
    """Return `60,683 to 61,786`."""
    return f"{number(bounds.low)} to {number(bounds.high)}"


def half_width(value: float | None, bounds: IntervalReport | None) -> str:
    """Return half of an interval's width over the figure it bounds, in percent, as `0.9`."""
    if not value or bounds is None:
        return NOTHING
    share = 50 * (bounds.high - bounds.low) / value
    return number(share, 2 if share >= 1 else 1)


def verdict_of_loadgen(valid: bool | None) -> str:
    """Return loadgen's own verdict as its log has it."""
    return NOTHING if valid is None else "VALID" if valid else "INVALID"


def memory(value: float | None) -> str:
    """Return bytes as MiB or GiB."""
    if value is None:
        return NOTHING
    return quantity(value / 2**20, "MiB") if value < 2**30 else quantity(value / 2**30, "GiB")


def per_second(value: float | None) -> str:
    """Return operations per second with a decimal prefix."""
    return prefixed(value, "FLOP/s")


def prefixed(value: float | None, unit: str) -> str:
    """Return a large number with a decimal prefix, M at least: `2.10 MFLOP`, `24.0 GB/s`."""
    if value is None:
        return NOTHING
    exponent, prefix = next((one for one in ((15, "P"), (12, "T"), (9, "G")) if value >= 10 ** one[0]), (6, "M"))
    return f"{number(value / 10**exponent, 3)} {prefix}{unit}"


def duration(seconds: float | None) -> str:
    """Return a duration as `35.2 s`, `3 min 12 s` or `2 h 05 min`."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return quantity(seconds, "s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def moment(seconds: float) -> str:
    """Return seconds since the epoch as a date and time of UTC."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def link(case: CaseReport, path: str) -> str:
    """Return a page's link to a file below a case's folder; an empty one where `path`, which is a guest's, leads elsewhere."""
    parts = PurePosixPath(path).parts
    return f"./{quote(case.folder)}/{quote(path, errors='replace')}" if parts and parts[0] != "/" and ".." not in parts else ""


def engine(case: CaseReport) -> str:
    """Return `<vendor>/<compiler>`; where no engine was asked for, the framework stands in its place."""
    return f"{case.vendor}/{case.compiler or case.framework}"


def device(case: CaseReport) -> str:
    """Return where the quoted phase ran, `cuda (NVIDIA H200)`, by the engine's or the framework's own word."""
    phases = case.metrics.phases
    phase = phases.inference if case.compiler else phases.validation
    return NOTHING if phase is None or phase.device is None else str(Device(phase.device.kind, phase.device.name))


def conditions(case: CaseReport) -> str:
    """Return `fp32, batch 32`."""
    batch = NOTHING if case.batch_size is None else f"{case.batch_size:,}"
    return f"{case.precision or NOTHING}, batch {batch}"


def named(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def verdict(report: Report) -> str:
    """Return the run in a few words: `2 of 3 cases OK, 1 FAILED`; over hosts, each of them counts."""
    total, summary, hosts = len(report.cases), report.run.summary, len(report.run.hosts)
    others = [f"{summary[status]} {status}" for status in STATUSES[1:] if summary.get(status)]
    if not total:
        return "no case was run"
    over = f" on {hosts:,} hosts" if hosts > 1 else ""
    if not others:
        return f"all cases OK{over}" if total > 1 else f"1 case, OK{over}"
    what = "result" if hosts > 1 else "case"
    return ", ".join([f"{summary.get('OK', 0)} of {total} {what}{'' if total == 1 else 's'} OK{over}", *others])


def worst(report: Report) -> str:
    """Return the worst status of the run; a run without cases has FAILED."""
    return max((case.status for case in report.cases), key=STATUSES.index, default="FAILED")


def advice(case: CaseReport, reason: ReasonReport) -> str | None:
    """Return what to do next, None where the reason says it all, or an earlier one did."""
    if case.status == "INVALID":
        is_first = reason is case.reasons[0] and reason.kind not in _NO_ADVICE
        return (_INVALID_ADVICE if case.compiler else _NO_QUOTE) if is_first else None
    if case.status != "FAILED":
        return None
    return _crash_advice(case, reason) if reason.kind == "CRASH" else _ADVICE.get(reason.kind)


def _crash_advice(case: CaseReport, reason: ReasonReport) -> str:
    """Return where to look: only what failed in one of the guest's steps has a traceback."""
    if "could not be installed" in reason.message:
        return _PIP_ADVICE
    return _STEP_ADVICE if any(step.outcome == "failed" for step in case.steps) else _CRASH_ADVICE
