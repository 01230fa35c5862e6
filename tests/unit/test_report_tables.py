"""The tables and curves behind a case's row."""

import pytest
from report_example import make_case_report, make_result
from report_parts import make_difference, make_phase, make_sweep, rich

from tools.contract import Check, Cost, Operator, Peak, Phase, Profile, Reason, Scenario, SweepPoint, WarmUp
from utils.report.curves import difference_charts, roofline_charts, sweep_charts
from utils.report.tables import tables
from utils.report.words import half_width, link, milliseconds


def only(kind, **changes):
    [table] = [table for table in tables(make_case_report(**changes)) if table.kind == kind]
    return table


def row_of(table, first):
    return dict(zip(table.heads, next(row for row in table.rows if row[0] == first), strict=True))


def test_a_percentile_has_its_bound_below_it_or_what_it_needs():
    cells = row_of(only("latency"), "onnxruntime")
    assert cells["p50"] == "64.83\n≤ 67.42"
    assert cells["p99"] == "—\nneeds 662"


def test_cold_figures_and_the_loops_own_cost_are_kept_apart():
    rows = {row[0]: row[1:] for row in only("measured", compile_seconds=1.84, load_seconds=None).rows}
    assert rows["core, items/s, at 99 %"][0] == "122.3 to 124.5 (±0.9\u00a0%)"
    assert rows["warm-up"][0] == "30 queries, 1.90 s, stable"
    assert rows["first, cold query"][0] == "545 ms"
    assert rows["own overhead per query"][0] == "1.32 µs, 0.00204 % of the median"
    assert rows["compilation"] == ("1.84 s", "—")
    assert "loading the compiled engine" not in rows


def test_a_warm_up_that_never_settled_is_told():
    restless = make_phase(100.0)
    changed = Phase(**{**vars(restless), "warmup": WarmUp(400, 60.0, 9_000_000, stable=False)})
    rows = {row[0]: row[1:] for row in only("measured", inference=changed).rows}
    assert rows["warm-up"][0] == "400 queries, 1 min 00 s, not stable"


def test_a_sweep_marks_its_knee_and_tells_what_ended_it():
    table = only("sweep", sweep=make_sweep())
    assert [row[0] for row in table.rows] == ["1", "4", "16 ◆", "64", "256", "1,024"]
    assert row_of(table, "16 ◆")["p50 ms"] == "0.3000"
    assert row_of(table, "1,024")["status"] == "✗ FAILED"
    assert "batch 1,024, 1 client: out of memory" in table.notes[-1]


def test_a_scenarios_notes_stand_below_it_beside_its_reasons():
    noted = Scenario("Server", "m", "TAINTED", [Reason("foo_time", "1 s")], notes=["calls took turns"])
    assert only("scenarios", scenarios=[noted]).notes == ["Server, m: foo_time: 1 s", "Server, m: calls took turns"]


def test_a_scenario_has_loadgens_verdict_beside_ours():
    late = Scenario("Server", "performance", "INVALID", [Reason("late", "p99 is 14 ms")], 4100.0, "queries/s", False)
    table = only("scenarios", scenarios=[late])
    cells = row_of(table, "Server")
    assert (cells["result"], cells["loadgen"], cells["status"]) == ("4,100 queries/s", "INVALID", "✗ INVALID")
    assert table.notes == ["Server, performance: late: p99 is 14 ms"]


def test_a_latency_that_loadgen_proves_is_shown_in_a_readable_unit():
    single = Scenario("SingleStream", "performance", "OK", value=171_204.0, unit="ns", valid=True)
    assert row_of(only("scenarios", scenarios=[single]), "SingleStream")["result"] == "171 µs"


def test_a_difference_counts_what_is_not_finite_and_shows_how_near_to_one_the_cosine_is():
    cells = row_of(only("difference", difference=make_difference(nan=3, reference_nan=1)), "onnxruntime")
    assert (cells["NaN"], cells["infinite"], cells["cosine"]) == ("3\nreference 1", "0", "1 - 2.0e-8\nlowest 1 - 1.0e-7")


def test_the_peak_is_called_measured_and_the_bound_is_named():
    changes = {"cost": Cost(8.18e9, 102e6), "peak": Peak("fp32", 1.9e11, 2.4e10, "measured", "2048 x 2048")}
    rows = {row[0]: row[1:] for row in only("roofline", flops_per_item=None, inference=make_phase(10.0), **changes).rows}
    assert rows["reached"] == ("81.8 GFLOP/s", "8.18 GFLOP per item")
    assert rows["MFU"] == ("43.1 %", "of 190 GFLOP/s, measured")
    assert rows["arithmetic intensity"] == ("642 FLOP/byte", "the ridge is at 7.92, so arithmetic bounds it")
    assert rows["peak at fp32, measured"] == ("190 GFLOP/s", "2048 x 2048")


def test_operators_that_were_not_counted_are_named():
    rows = {row[0]: row[1:] for row in only("roofline", cost=Cost(2.1e6, None, ("Softmax", "Gather"))).rows}
    assert rows["counted in the graph"] == ("2.10 MFLOP", "per item without Softmax, Gather")
    assert "moved at least" not in rows


def test_the_roofline_has_its_ridge_and_the_point_below_it():
    changes = {"cost": Cost(1e9, 1e9), "peak": Peak("fp32", 1e11, 1e10, "measured")}
    [chart] = roofline_charts(make_case_report(batch_size=1, flops_per_item=1e9, inference=make_phase(5.0), **changes))
    roof, attainable, reached = chart["data"]
    assert (roof["x"], roof["y"]) == ([0.1, 10.0, 100.0], [1.0, 100.0, 100.0])
    assert (attainable["x"], attainable["y"], reached["y"]) == ([1.0], [10.0], [5.0])


def test_a_case_whose_cost_is_not_known_has_no_roofline():
    assert roofline_charts(make_case_report()) == []


def test_a_check_that_could_not_be_made_has_neither_passed_nor_failed():
    checks = [Check("one", True, ""), Check("two", False, ""), Check("three", None, "")]
    assert [row[1] for row in only("audit", audit=checks).rows] == ["✓ passed", "✗ failed", "not made"]


def test_only_the_costliest_operators_are_shown_and_the_rest_is_counted():
    operators = [Operator(f"op{place}", 1, 0.1, 0.05) for place in range(14)]
    table = only("operators", profiles=[Profile("inference", "openvino", operators, "trace.json")])
    assert (len(table.rows), table.notes, table.files) == (10, ["and 4 more in report.json"], ["trace.json"])


def test_a_case_without_data_has_no_tables():
    assert tables(make_case_report(make_result(validation=None, inference=None))) == []


def test_a_curve_shows_throughput_latency_and_the_knee():
    [chart] = sweep_charts(make_case_report(sweep=make_sweep()))
    p50, p99, knee = chart["data"]
    assert (p50["x"], p50["text"]) == ([9800.0, 27600.0, 52100.0, 61200.0, 62900.0], ["1", "4", "16", "64", "256"])
    assert (p99["name"], len(p99["y"])) == ("p99", 5)
    assert (knee["name"], knee["x"], knee["y"]) == ("knee", [52100.0], [0.3])


def test_each_number_of_clients_is_a_curve():
    points = [SweepPoint(batch, clients, "OK", make_phase(100.0 * batch)) for batch in (1, 8) for clients in (1, 4)]
    names = [trace["name"] for trace in sweep_charts(make_case_report(sweep=points))[0]["data"]]
    assert names == ["p50, 1 client", "p50, 4 clients"]


def test_one_point_makes_no_curve():
    assert sweep_charts(make_case_report(sweep=make_sweep()[:1])) == []


def test_a_histogram_of_differences_has_each_bins_share():
    difference = make_difference(elements=100, edges=[0.0, 1e-6, 1e-3], counts=[75, 20, 5])
    [chart] = difference_charts(make_case_report(difference=difference))
    [bars] = chart["data"]
    assert (bars["x"], bars["y"]) == (["< 1e-6", "1e-6", "1e-3"], [75.0, 20.0, 5.0])


def test_outputs_that_were_not_compared_have_no_histogram():
    assert difference_charts(make_case_report(difference=make_difference(edges=(), counts=()))) == []


@pytest.mark.parametrize(("value", "text"), [(None, "—"), (0.00132, "1.32 µs"), (8.784, "8.78 ms"), (61_000.0, "1 min 01 s")])
def test_milliseconds_are_worded_in_the_unit_that_reads_best(value, text):
    assert milliseconds(value) == text


def test_without_an_interval_there_is_no_error():
    assert half_width(100.0, None) == "—"


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b", ""])
def test_a_guests_path_links_to_nothing_outside_its_folder(path):
    assert link(make_case_report(), path) == ""


def test_a_guests_path_cannot_be_a_scheme():
    assert link(make_case_report(), "javascript:alert(1)").startswith(
        "./resnet50%3Apytorch_2.13/localhost_noderank0/javascript%3A"
    )


def test_the_tables_stand_in_the_order_in_which_one_reads_them():
    kinds = [table.kind for table in tables(make_case_report(**rich()))]
    assert kinds[:8] == ["latency", "measured", "scenarios", "sweep", "difference", "roofline", "audit", "operators"]
