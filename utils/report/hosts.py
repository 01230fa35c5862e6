"""A case over its hosts: the spread between them, who is far off, and which of many hosts a reader is shown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.contract import OK, TAINTED
from utils.report.schema import CaseReport, HostSpreadReport, HostsReport, Report

CORE = "core"
MOST_HOSTS = 8
"""So many hosts of a case are shown one by one."""

FEWEST_HOSTS = 3
"""Of two hosts that differ nobody can tell which one is off."""

FAR_OFF = 3.5
"""The modified z-score from which a value counts as an outlier. Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers,
1993."""

NOTEWORTHY = 0.02
"""A host that is nearer to the median than this share of it is not called off, however alike the others are."""


@dataclass(frozen=True)
class Group:
    """One case on all of its hosts, sorted by rank."""

    summary: HostsReport
    cases: Sequence[CaseReport]

    @property
    def first(self) -> CaseReport:
        """The one that names them all: the first that came to know its precision."""
        return next((case for case in self.cases if case.precision), self.cases[0])

    @property
    def shown(self) -> Sequence[CaseReport]:
        """The hosts to be shown one by one: all, or of many those that a reader looks for."""
        return self.cases if len(self.cases) <= MOST_HOSTS else _telling(self.cases)

    @property
    def core(self) -> HostSpreadReport | None:
        """The spread of the throughput, which is what hosts are compared by."""
        return next((one for one in self.summary.spreads if one.figure == CORE), None)


def over_hosts(cases: Sequence[CaseReport]) -> list[HostsReport]:
    """Return the spread of each case that ran on more than one host."""
    return [group.summary for group in _grouped(cases) if len(group.cases) > 1]


def groups(report: Report) -> list[Group]:
    """Return the cases of a report with all of their hosts, in the report's order."""
    return list(_grouped(report.cases))


def shown(report: Report) -> list[CaseReport]:
    """Return the cases that are shown one by one: all, where hosts are few."""
    return [case for group in groups(report) for case in group.shown]


def core_of(case: CaseReport) -> float | None:
    """The throughput that is quoted: the engine's, where there is one."""
    return case.metrics.inference_core if case.compiler else case.metrics.validation_core


def _grouped(cases: Sequence[CaseReport]) -> Iterator[Group]:
    by_name: dict[tuple[str, str], list[CaseReport]] = {}
    for case in cases:
        by_name.setdefault((case.case, case.framework), []).append(case)
    for (name, framework), found in by_name.items():
        ordered = sorted(found, key=lambda case: case.rank)
        measured = [case for case in ordered if case.status in (OK, TAINTED)]
        spreads = list(_spreads(measured))
        yield Group(
            HostsReport(case=name, framework=framework, hosts=len(ordered), measured=len(measured), spreads=spreads), ordered
        )


def _spreads(cases: Sequence[CaseReport]) -> Iterator[HostSpreadReport]:
    figures = [_figures(case) for case in cases]
    for name in dict.fromkeys(name for found in figures for name in found):
        values = {case.host: found[name] for case, found in zip(cases, figures, strict=True) if name in found}
        if len(values) > 1:
            yield _spread(name, values)


def _spread(name: str, values: Mapping[str, float]) -> HostSpreadReport:
    lowest, highest = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return HostSpreadReport(
        figure=name,
        hosts=len(values),
        minimum=values[lowest],
        median=statistics.median(values.values()),
        maximum=values[highest],
        ratio=values[highest] / values[lowest] if values[lowest] > 0 else None,
        minimum_host=lowest,
        maximum_host=highest,
        outliers=outliers(values),
    )


def outliers(values: Mapping[str, float]) -> list[str]:
    """Return the hosts whose value is far off the median by the median absolute deviation, the farthest first."""
    if len(values) < FEWEST_HOSTS:
        return []
    middle = statistics.median(values.values())
    off = {host: abs(value - middle) for host, value in values.items()}
    deviation = statistics.median(off.values())
    far = [host for host, by in off.items() if by > NOTEWORTHY * abs(middle) and 0.6745 * by > FAR_OFF * deviation]
    return sorted(far, key=off.__getitem__, reverse=True)


def _figures(case: CaseReport) -> dict[str, float]:
    """The figures that are compared over hosts, those that a case has."""
    phase = "inference" if case.compiler else "validation"
    figures = case.metrics
    latency = getattr(figures.latency, phase)
    percentiles = latency.percentiles if latency else {}
    found = {
        CORE: core_of(case),
        "whole": getattr(figures, f"{phase}_whole"),
        **{f"{name}_ms": percentiles[name].latency_ms for name in ("p50", "p99") if name in percentiles},
        "accuracy": getattr(figures, f"accuracy_{phase}"),
        "mfu": figures.mfu,
        "mean_watts": figures.power.mean_watts,
    }
    return {name: value for name, value in found.items() if value is not None}


def _telling(cases: Sequence[CaseReport]) -> list[CaseReport]:
    """Three that could not be measured, the slowest three, the fastest two; where there are fewer of one, more of the slow."""
    measured = [case for case in cases if case.status in (OK, TAINTED) and core_of(case)]
    measured.sort(key=lambda case: -(core_of(case) or 0.0))
    others = [case for case in cases if not any(case is one for one in measured)]
    chosen = [*others[:3], *measured[:2]]
    chosen += measured[2:][::-1][: MOST_HOSTS - len(chosen)]
    chosen += others[3 : 3 + MOST_HOSTS - len(chosen)]
    ranks = {case.rank for case in chosen}
    return [case for case in cases if case.rank in ranks]
