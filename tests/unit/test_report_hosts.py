"""A case over its hosts: the spread, who is off, and what is shown of many."""

import io

import pytest
from report_example import STARTED, make_case, make_host, make_phase, make_plan, make_result
from rich.console import Console

from tools.contract import Reason
from utils.report.build import build_report, case_report, failed_case
from utils.report.hosts import MOST_HOSTS, groups, outliers, shown
from utils.report.hosts_tables import hosts_table, spread_table
from utils.report.html import html
from utils.report.markdown import markdown
from utils.report.terminal import print_report

LOST = Reason("HOST_LOST", "the connection was lost; is the host up?")


def report_over(cores, **changes):
    """A report of digits on node0, node1 …, which reach these items per second; None is a host that was lost."""
    hosts = tuple(make_host(f"node{rank}", rank) for rank in range(len(cores)))
    plan = make_plan(hosts=hosts)
    cases = [
        failed_case(plan, make_case("digits"), host, LOST)
        if core is None
        else case_report(
            plan, make_case("digits"), host, make_result(**{"case": "digits", "inference": make_phase(core, 0.98), **changes})
        )
        for host, core in zip(hosts, cores, strict=True)
    ]
    return build_report(plan, cases, STARTED, 60.0)


def printed(report, width=120):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width))
    return stream.getvalue()


def core_spread(report):
    return next(one for one in report.over_hosts[0].spreads if one.figure == "core")


def test_the_spread_has_the_ends_their_ratio_and_who_they_are():
    one = core_spread(report_over([100.0, 80.0, 101.0, 100.0]))
    assert (one.minimum, one.median, one.maximum, one.ratio) == (80.0, 100.0, 101.0, 101 / 80)
    assert (one.minimum_host, one.maximum_host, one.outliers, one.hosts) == ("node1", "node2", ["node1"], 4)


def test_what_must_not_be_quoted_is_not_in_the_spread():
    report = report_over([100.0, None, 110.0])
    assert (report.over_hosts[0].hosts, report.over_hosts[0].measured, core_spread(report).hosts) == (3, 2, 2)
    assert report_over([100.0, 110.0], status="INVALID").over_hosts[0].spreads == []


def test_a_case_on_one_host_has_no_spread():
    assert report_over([100.0]).over_hosts == []


def test_without_an_engine_the_frameworks_figures_are_compared():
    one = core_spread(report_over([1.0, 1.0], compiler=None, inference=None, validation=make_phase(45.0)))
    assert (one.minimum, one.maximum) == (45.0, 45.0)


@pytest.mark.parametrize(
    ("values", "off"),
    [
        ([100, 80], []),  # of two nobody can tell
        ([100, 101, 80], ["2"]),
        ([100, 90, 110, 95, 105], []),  # they all differ
        ([100, 100, 100, 101], []),  # a hundredth is no news
        ([100, 100, 100, 50, 70], ["3", "4"]),
    ],
)
def test_a_host_is_off_if_it_is_much_farther_from_the_median_than_the_others(values, off):
    assert outliers({str(place): float(value) for place, value in enumerate(values)}) == off


def test_of_many_hosts_the_lost_the_slowest_and_the_fastest_are_shown_by_rank():
    cores = [100.0 + rank / 100 for rank in range(30)]
    cores[4], cores[12], cores[20] = None, 50.0, 120.0
    names = [case.host for case in shown(report_over(cores))]
    assert names == ["node0", "node1", "node2", "node3", "node4", "node12", "node20", "node29"]
    assert len(names) == MOST_HOSTS


@pytest.mark.parametrize("count", [1, 8, 9, 40])
def test_never_more_hosts_are_shown_than_a_reader_can_take_in_even_if_all_are_lost(count):
    assert len(shown(report_over([None] * count))) == min(count, MOST_HOSTS)


def test_each_host_has_a_row_with_its_distance_from_the_median():
    table = hosts_table(groups(report_over([100.0, 80.0, 100.0, None]))[0])
    rows = [dict(zip(table.heads, row, strict=True)) for row in table.rows]
    assert [(row["host"], row["status"], row["to median"]) for row in rows] == [
        ("node0", "✓ OK", "+0.0\u00a0%"),
        ("node1", "✓ OK", "-20.0\u00a0%"),
        ("node2", "✓ OK", "+0.0\u00a0%"),
        ("node3", "✗ FAILED", "—"),
    ]
    assert table.notes == [
        "core 80.00 to 100.0 items/s over 3 hosts, 1.25x; slowest node1, fastest node0",
        "far off the median of 100.0: node1 (-20.0\u00a0%)",
        "FAILED on 1: node3",
    ]


def test_where_all_hosts_agree_none_is_the_lowest():
    rows = {row[0]: row[1:] for row in spread_table(groups(report_over([100.0, 101.0]))[0]).rows}
    assert rows["accuracy"] == ("—", "—", "—", "0.9800", "0.9800", "0.9800", "1.00x")
    assert rows["core items/s"][:3] == ("node0", "node1", "—")


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_terminal_has_a_row_for_each_host_and_fits(width):
    lines = printed(report_over([100.0, 80.0, None, 100.0]), width).splitlines()
    assert " Accelmark run20251009085320  3 of 4 results OK on 4 hosts, 1 FAILED" in lines
    assert sum(line.lstrip().startswith(f"node{rank} ") for line in lines for rank in range(4)) == 4
    assert max(map(len, lines)) <= width


def test_two_hundred_hosts_are_a_page_and_not_a_book():
    report = report_over([100.0 + rank % 7 for rank in range(200)])
    assert len(printed(report).splitlines()) < 100
    assert len(markdown(report).splitlines()) < 400
    assert "8 of 200 hosts are shown: not measured, slowest, fastest; report.json has all" in printed(report)


def test_markdown_has_the_spread_of_each_case():
    text = markdown(report_over([100.0, 80.0, 100.0]))
    assert "## digits (pytorch\\_2.13) over 3 hosts" in text
    assert "| core items/s | node1 | node0 | node1 | 80.00 | 100.0 | 100.0 | 1.25x |" in text


def test_the_page_links_each_host_to_its_card_and_has_the_rest_below(tmp_path):
    few, many = (html(report_over([100.0] * count), tmp_path) for count in (3, 20))
    assert '<a href="#case-2"><b>node2</b></a>' in few
    assert "All hosts" not in few
    assert "<summary>All hosts <small>20</small></summary>" in many
    assert many.count('id="case-') == MOST_HOSTS


def test_a_hosts_name_cannot_be_markup(tmp_path):
    report = report_over([100.0, 80.0])
    cases = [case.model_copy(update={"host": "<b>x"}) for case in report.cases]
    assert "<b>x" not in html(report.model_copy(update={"cases": cases}), tmp_path)
