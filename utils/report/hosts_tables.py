"""Tables of a case over its hosts: a row for each host, and the spread between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tools.contract import OK, TAINTED
from utils.report.hosts import Group, core_of
from utils.report.rows import row, status_cell
from utils.report.schema import CaseReport, HostSpreadReport
from utils.report.table import Table
from utils.report.words import NOTHING, accuracy, named, number, percent, quantity, ratio

PERCENTILES = ("p50", "p99")
HOST_HEADS = (
    "host", "status", "core items/s", "± %", "to median", "whole items/s", "speed-up", "accuracy", "p50 ms", "p99 ms", "MFU",
    "power",
)  # fmt: skip
FIGURES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "core": ("core items/s", number),
    "whole": ("whole items/s", number),
    "p50_ms": ("p50 ms", number),
    "p99_ms": ("p99 ms", number),
    "accuracy": ("accuracy", accuracy),
    "mfu": ("MFU", percent),
    "mean_watts": ("power", lambda value: quantity(value, "W")),
}
"""What the figures of a spread are called, and how they are worded."""


def hosts_table(group: Group, footnotes: Sequence[str] = (), *, all_of_them: bool = False) -> Table:
    """A row for each host that is shown; below it who is not, and who is off. `footnotes` are the report's."""
    cases = group.cases if all_of_them else group.shown
    rows = [_host_row(case, group.core, footnotes) for case in cases]
    notes = [] if len(cases) == len(group.cases) else [_left_out(group, cases)]
    return Table("hosts", f"Over {len(group.cases):,} hosts", HOST_HEADS, rows, 2, [*notes, *_remarks(group)])


def spread_table(group: Group) -> Table:
    """Each figure's extremes, their ratio and the hosts that have them."""
    heads = ("figure", "lowest", "highest", "off", "min", "median", "max", "max / min")
    rows = [_spread_row(one) for one in group.summary.spreads]
    return Table("spread", "Spread between the hosts", heads, rows, 4)


def spread_line(group: Group) -> str | None:
    """`core 40,120 to 61,234 items/s over 4 hosts, 1.53x; slowest node3, fastest node1`; None where there is no spread."""
    one = group.core
    if one is None:
        return None
    ends = f"{number(one.minimum)} to {number(one.maximum)} items/s over {one.hosts:,} hosts, {ratio(one.ratio)}"
    return f"core {ends}; slowest {one.minimum_host}, fastest {one.maximum_host}"


def _remarks(group: Group) -> list[str]:
    """The spread, who is off, and how many hosts could not be measured."""
    said = [line for line in (spread_line(group),) if line]
    core = group.core
    if core is not None and core.outliers:
        cores = {case.host: core_of(case) or 0.0 for case in group.cases}
        off = [f"{host} ({_to_median(cores[host], core)})" for host in core.outliers]
        said.append(f"far off the median of {number(core.median)}: {named(off)}")
    others = Counter(case.status for case in group.cases if case.status not in (OK, TAINTED))
    for status, count in others.items():
        said.append(f"{status} on {count:,}: {named([case.host for case in group.cases if case.status == status])}")
    return said


def _left_out(group: Group, cases: Sequence[CaseReport]) -> str:
    return f"{len(cases)} of {len(group.cases):,} hosts are shown: not measured, slowest, fastest; report.json has all"


def _host_row(case: CaseReport, core: HostSpreadReport | None, footnotes: Sequence[str]) -> tuple[str, ...]:
    figures = row(case, footnotes, PERCENTILES)
    quoted = figures.inference if case.compiler else figures.validation
    measured = case.status in (OK, TAINTED)
    median = _to_median(core_of(case), core) if measured else NOTHING
    ends = (*quoted.percentiles, figures.mfu, figures.power)
    texts = (case.host, status_cell(case.status))
    return (*texts, quoted.core, quoted.error, median, quoted.whole, figures.speedup, quoted.accuracy, *ends)


def _to_median(value: float | None, core: HostSpreadReport | None) -> str:
    """How far a host's throughput is from the median, as `-34.1 %`."""
    if value is None or core is None or not core.median:
        return NOTHING
    return f"{100 * (value / core.median - 1):+.1f}\u00a0%"


def _spread_row(one: HostSpreadReport) -> tuple[str, ...]:
    name, worded = FIGURES[one.figure]
    values = (worded(one.minimum), worded(one.median), worded(one.maximum))
    ends = (one.minimum_host, one.maximum_host) if one.minimum != one.maximum else (NOTHING, NOTHING)
    return (name, *ends, named(one.outliers) or NOTHING, *values, ratio(one.ratio))
