"""How far from the peak: the roofline, and which peak a case is held to."""

import pytest
from report_example import make_case_report, make_monitor, make_phase, make_result

from tools.contract import Cost, Peak
from utils.report.roofline import roofline

PEAK = Peak("fp32", flops=1e12, bytes_per_second=1e11, source="measured", detail="2 threads; fp32 product")
HUNGRY, FRUGAL = Cost(1e9, 1e9), Cost(1e9, 1e7)


def test_a_model_below_the_ridge_is_bound_by_memory():
    position = roofline(HUNGRY, PEAK, batch_size=4, core=100.0)
    assert (position.intensity, position.ridge, position.bound) == (4.0, 10.0, "memory")
    assert position.attainable_flops == pytest.approx(4e11)
    assert (position.mfu, position.attained) == (pytest.approx(0.1), pytest.approx(0.25))


def test_a_model_above_the_ridge_is_bound_by_arithmetic():
    position = roofline(FRUGAL, PEAK, batch_size=1, core=500.0)
    assert (position.intensity, position.bound, position.attainable_flops) == (100.0, "arithmetic", 1e12)
    assert position.mfu == position.attained == pytest.approx(0.5)


def test_a_position_needs_no_measurement_but_a_share_does():
    position = roofline(FRUGAL, PEAK, batch_size=1, core=None)
    assert (position.bound, position.achieved_flops, position.mfu, position.attained) == ("arithmetic", None, None, None)


@pytest.mark.parametrize(
    ("cost", "peak", "batch_size"),
    [
        (None, PEAK, 1),
        (FRUGAL, None, 1),
        (FRUGAL, PEAK, None),
        (Cost(None, 1e7), PEAK, 1),
        (Cost(1e9, None), PEAK, 1),
        (Cost(1e9, 1e7, uncounted=("MatMul inside If",)), PEAK, 1),
        (FRUGAL, Peak("fp32", None, 1e11, "measured"), 1),
        (FRUGAL, Peak("fp32", 1e12, None, "measured"), 1),
    ],
)
def test_what_is_missing_is_not_guessed(cost, peak, batch_size):
    assert roofline(cost, peak, batch_size, 100.0) is None


def result(**changes):
    values = {
        "inference": make_phase(100.0),
        "flops_per_item": 1e9,
        "cost": HUNGRY,
        "peak": PEAK,
        "batch_size": 4,
        "precision": "fp32",
    }
    return make_result(**{**values, **changes})


def figures(monitor, **changes):
    return make_case_report(result(**changes), monitor).metrics


def test_without_a_published_peak_mfu_is_of_the_measured_one_and_says_so():
    found = figures(make_monitor(peak_flops=None))
    assert (found.mfu, found.mfu_source, found.peak_flops) == (pytest.approx(0.1), "measured", 1e12)
    assert (found.roofline.source, found.roofline.bound, found.roofline.attained) == ("measured", "memory", pytest.approx(0.25))


def test_a_published_peak_goes_before_a_measured_one():
    found = figures(make_monitor(peak_flops={"fp32": 2e12}, peak_bytes_per_second=1e12, peak_source="a data sheet"))
    assert (found.mfu, found.mfu_source, found.peak_flops) == (pytest.approx(0.05), "published", 2e12)
    assert (found.roofline.source, found.roofline.ridge) == ("a data sheet", 2.0)


def test_a_data_sheet_without_bandwidth_leaves_the_roofline_to_what_was_measured():
    found = figures(make_monitor(peak_flops={"fp32": 2e12}))
    assert (found.mfu_source, found.roofline.source, found.roofline.ridge) == ("published", "measured", 10.0)


def test_a_peak_measured_in_another_precision_does_not_count():
    found = figures(make_monitor(peak_flops=None), precision="bf16")
    assert (found.mfu, found.mfu_source, found.peak_flops, found.roofline) == (None, None, None, None)


def test_flops_come_from_the_graph_where_the_configuration_has_none():
    found = figures(None, flops_per_item=None)
    assert (found.flops_per_item, found.mfu) == (1e9, pytest.approx(0.1))


def test_flops_that_leave_something_out_are_no_flops_and_it_is_named():
    case = make_case_report(result(flops_per_item=None, cost=Cost(1e9, 1e7, ("MatMul inside If", "DFT"))), None)
    assert case.metrics.mfu is None
    assert "no MFU: the case's configuration has no flops, and counting them leaves out MatMul inside If, DFT" in case.notes


def test_the_configurations_flops_may_take_several_queries_per_item():
    found = figures(None, flops_per_item=5e9)
    assert (found.mfu, found.roofline.intensity) == (pytest.approx(0.5), 4.0)
    assert found.roofline.achieved_flops == pytest.approx(5e11)


def test_an_mfu_above_a_measured_peak_is_explained_and_not_called_impossible():
    case = make_case_report(result(inference=make_phase(1500.0)), None)
    assert any(note.startswith("an MFU of 150.0% is of a measured peak") for note in case.notes)


def test_why_nothing_was_measured_is_in_the_note():
    silent = Peak("fp32", None, 1e11, "measured", "torch cannot multiply fp32 matrices on npu: no such operator")
    case = make_case_report(result(peak=silent), None)
    assert (
        "no MFU: no vendor monitor told the chip; measured: torch cannot multiply fp32 matrices on npu: no such operator"
        in case.notes
    )
