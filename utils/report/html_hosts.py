"""The page's part on a run over several hosts: for each case its hosts side by side and the spread between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.contract import OK, TAINTED
from utils.report.hosts import Group, core_of
from utils.report.hosts_tables import hosts_table, spread_table
from utils.report.table import Table
from utils.report.words import conditions, engine, number


@dataclass(frozen=True)
class HostBar:
    """One host's throughput: how long its bar is (0..100), and whether it is far off the others."""

    host: str
    value: str
    length: float
    is_off: bool


@dataclass(frozen=True)
class HostsCard:
    """One case over its hosts. `rest` has the hosts that are not shown one by one; `anchors` the places of those that are."""

    case: str
    subtitle: str
    bars: Sequence[HostBar]
    hosts: Table
    rest: Table | None
    spread: Table
    anchors: Mapping[str, str]


def hosts_card(group: Group, anchors: Mapping[tuple[str, str, str], str], notes: Sequence[str] = ()) -> HostsCard:
    """Return what the page says of a case over its hosts; `anchors` are those of the cards by (case, framework, host)."""
    first = group.first
    own = {case.host: anchors[key] for case in group.cases if (key := (case.case, case.framework, case.host)) in anchors}
    return HostsCard(
        case=first.case,
        subtitle=f"{engine(first)}, {first.framework}, {conditions(first)}",
        bars=_bars(group),
        hosts=hosts_table(group, notes),
        rest=None if len(group.shown) == len(group.cases) else hosts_table(group, notes, all_of_them=True),
        spread=spread_table(group),
        anchors=own,
    )


def _bars(group: Group) -> list[HostBar]:
    shown = [(case.host, core_of(case) or 0.0) for case in group.shown if case.status in (OK, TAINTED)]
    longest = max((value for _, value in shown), default=0.0)
    off = group.core.outliers if group.core else ()
    return [HostBar(host, number(value), round(100 * value / longest, 2), host in off) for host, value in shown if longest]
