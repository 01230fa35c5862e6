"""Merges what guests measured, monitors saw and the host knows into one report and judges it."""

from __future__ import annotations

import dataclasses
import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tools.contract import FAILED, OK, TAINTED, Reason, Result
from tools.errors import ConfigError, HostError, Interrupted, NoCaseError
from utils.monitoring.model import MonitorSummary, Series
from utils.monitoring.series import POINTS, extremes
from utils.plan import CasePlan, HostTarget, RunPlan
from utils.report.doubts import judged
from utils.report.hosts import over_hosts
from utils.report.metrics import metrics
from utils.report.phases import sections
from utils.report.placement import of_what_was_measured
from utils.report.schema import CaseReport, MonitorReport, ReasonReport, Report, RunReport, StepReport
from utils.report.versions import host_versions

REPORT_FILE = "report.json"
HOST_LOG = "host.out.log"
WHOLE_SERIES, FEWEST_POINTS = 16, 60
"""The monitors of so many results keep all points of their series; of more, each keeps fewer, but at least so many."""

T = TypeVar("T")


def case_report(
    plan: RunPlan,
    case: CasePlan,
    host: HostTarget,
    result: Result,
    vendor_monitor: MonitorSummary | None = None,
    system_monitor: MonitorSummary | None = None,
    notes: Sequence[str] = (),
) -> CaseReport:
    """Return one case on one host from its result (as read_result gives it: checked). `notes` are the host's own, beside the
    guest's and those made here."""
    return _merged(plan, case, host, _as_asked(result, case.config), vendor_monitor, system_monitor, notes)


def failed_case(
    plan: RunPlan,
    case: CasePlan,
    host: HostTarget,
    reason: Reason,
    vendor_monitor: MonitorSummary | None = None,
    system_monitor: MonitorSummary | None = None,
    notes: Sequence[str] = (),
) -> CaseReport:
    """Return the report of a case that left no result.json: FAILED for `reason`, with what was asked for and seen."""
    result = Result(
        case=case.case,
        framework=case.framework,
        vendor=case.vendor,
        status=FAILED,
        reasons=[reason],
    )
    return _merged(plan, case, host, _as_asked(result, case.config), vendor_monitor, system_monitor, notes)


def build_report(
    plan: RunPlan,
    cases: Sequence[CaseReport],
    started: float,
    seconds: float,
    *,
    strict: bool = False,
    resumed: Sequence[float] = (),
) -> Report:
    """Return the report of a run that began at `started` (s since the epoch) and took `seconds`; `strict` as in exit_code.
    `resumed` is when it went on after it had been broken off."""
    run = RunReport(
        id=plan.run_id,
        started=started,
        seconds=seconds,
        resumed=list(resumed),
        config_file=str(plan.config_file),
        runtime=plan.runtime,
        vendor=plan.vendor,
        hosts=[host.host for host in plan.hosts],
        versions=host_versions(plan.checkout),
        overrides=list(plan.overrides),
        host_config=dict(plan.host_config),
        summary=dict(Counter(case.status for case in cases)),
        exit_code=_exit_code(cases, strict),
    )
    return Report(run=run, cases=list(cases), over_hosts=over_hosts(cases))


def exit_code(report: Report, strict: bool = False) -> int:
    """Return 0 if every case is OK or TAINTED (`strict`: only OK), 130 if one was interrupted, else 1; 2 or 3 where every case
    failed by its configuration or for its host, 4 where there is none."""
    return _exit_code(report.cases, strict)


def to_json(report: Report) -> str:
    """Return report.json's text: indented, but with a series of numbers on one line."""
    text = report.model_dump_json(by_alias=True, indent=1)
    return re.sub(r"\[\n[-+\d.eE,\s]+\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text) + "\n"


def _merged(
    plan: RunPlan,
    case: CasePlan,
    host: HostTarget,
    measured: Result,
    vendor_monitor: MonitorSummary | None,
    system_monitor: MonitorSummary | None,
    notes: Sequence[str],
) -> CaseReport:
    watching = of_what_was_measured(measured, vendor_monitor)
    numbers, made_here = metrics(measured, watching, system_monitor)
    status, reasons = judged(measured, vendor_monitor, system_monitor)
    points = _points(len(plan.hosts) * len(plan.cases))
    monitors = [one for one in (vendor_monitor, system_monitor) if one is not None]
    merged = CaseReport(
        host=host.host,
        rank=host.rank,
        case=case.case,
        framework=case.framework,
        vendor=case.vendor,
        runtime=plan.runtime,
        data=case.data,
        compiler=measured.compiler,
        precision=measured.precision,
        batch_size=measured.batch_size,
        status=status,  # type: ignore[arg-type]  # read_result() looked
        reasons=[ReasonReport.model_validate(reason) for reason in reasons],
        notes=[*measured.notes, *notes, *made_here, *(f"{one.monitor}: {error}" for one in monitors for error in one.errors)],
        metrics=numbers,
        **sections(measured),
        steps=[StepReport.model_validate(step) for step in measured.steps],
        config=dict(measured.config),
        engine=dict(measured.engine),
        environment=dict(measured.environment),
        artifacts=dict(measured.artifacts),
        monitors=[_monitor(one, points, one in (watching, system_monitor)) for one in monitors],
    )
    return CaseReport.model_validate(plan.mask.everywhere(merged.model_dump()))


def _exit_code(cases: Sequence[CaseReport], strict: bool) -> int:
    if not cases:
        return NoCaseError.exit_code
    accepted = {OK} if strict else {OK, TAINTED}
    if all(case.status in accepted for case in cases):
        return 0
    failures = [{reason.kind for reason in case.reasons} if case.status == FAILED else set() for case in cases]
    if any(Interrupted.reason in kinds for kinds in failures):
        return Interrupted.exit_code
    for error in (HostError, ConfigError):
        if all(error.reason in kinds for kinds in failures):
            return error.exit_code
    return 1


def _as_asked(result: Result, config: Mapping[str, Any]) -> Result:
    """The result; one that failed before the guest knew its configuration gets the conditions that were asked for."""
    if result.config:
        return result
    return dataclasses.replace(
        result,
        compiler=_asked(config, "compiler", str),
        precision=_asked(config, "precision", str) or ("fp16" if _asked(config, "fp16", bool) else "fp32"),
        batch_size=_asked(config, "batch_size", int),
        config=config,
    )


def _asked(config: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    """What the configuration asked for; None where it has no such value."""
    entry = config.get(key)
    value = entry.get("value") if isinstance(entry, Mapping) else None
    return value if isinstance(value, kind) else None


def _points(results: int) -> int:
    """So many points a series may have, that the report of many hosts stays one that can be read."""
    return max(FEWEST_POINTS, min(POINTS, POINTS * WHOLE_SERIES // max(results, 1)))


def _monitor(summary: MonitorSummary, points: int, of_what_was_measured: bool) -> MonitorReport:
    thinned = [_rounded(_thinned(series, points)) for series in summary.series]
    report = MonitorReport.model_validate(dataclasses.replace(summary, series=thinned))
    return report.model_copy(update={"of_what_was_measured": of_what_was_measured})


def _thinned(series: Series, points: int) -> Series:
    """No extreme is lost; all readings are in the case's folder."""
    bucket = math.ceil(2 * len(series.times) / points)
    times, values = extremes(array("d", series.times), array("d", series.values), bucket)
    return dataclasses.replace(series, times=times.tolist(), values=values.tolist())


def _rounded(series: Series) -> Series:
    """As many digits as a plot can show: milliseconds, six significant ones of the value."""
    times = [round(time, 3) for time in series.times]
    return dataclasses.replace(series, times=times, values=[float(f"{value:.6g}") for value in series.values])
