"""From measurements to the report's numbers."""

import pytest
from report_example import (
    STARTED,
    make_case,
    make_case_report,
    make_host,
    make_monitor,
    make_phase,
    make_plan,
    make_result,
    make_steps,
)

from utils.monitoring.model import Spread
from utils.report.build import case_report
from utils.report.metrics import measured_window


def test_mfu_is_the_engines_speed_over_the_chips_peak_at_that_precision():
    monitor = make_monitor(peak_flops={"fp32": 1e12, "bf16": 2e12})
    case = make_case_report(make_result(inference=make_phase(100.0), flops_per_item=1e9, precision="bf16"), monitor)
    assert case.metrics.flops_per_second == pytest.approx(1e11)
    assert case.metrics.mfu == pytest.approx(0.05)


def test_without_an_engine_mfu_is_the_frameworks():
    monitor = make_monitor(peak_flops={"fp32": 1e12})
    result = make_result(compiler=None, inference=None, validation=make_phase(50.0), flops_per_item=1e9)
    assert make_case_report(result, monitor).metrics.mfu == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("changes", "monitor", "note"),
    [
        ({"flops_per_item": None}, make_monitor(), "no MFU: the case's configuration has no flops"),
        ({}, None, "no MFU: no vendor monitor told the chip"),
        ({}, make_monitor(peak_flops=None, chip="Foo 1"), "no MFU: no peak is known for Foo 1"),
        ({"precision": "int8"}, make_monitor(), "no MFU: Example CPU 9000 has no published int8 peak"),
    ],
)
def test_an_unknown_mfu_says_why(changes, monitor, note):
    case = make_case_report(make_result(**changes), monitor)
    assert case.metrics.mfu is None
    assert [one for one in case.notes if one.startswith(note)]


def test_an_mfu_above_the_peak_is_pointed_out():
    case = make_case_report(make_result(), make_monitor(peak_flops={"fp32": 1e11}))
    assert any("cannot be" in note for note in case.notes)


def test_a_case_that_measured_nothing_has_no_note_about_mfu():
    assert make_case_report(make_result(status="FAILED", validation=None, inference=None)).notes == []


def test_speedup_compares_core_with_core():
    assert make_case_report(validation=make_phase(50.0), inference=make_phase(125.0)).metrics.speedup == pytest.approx(2.5)


def test_energy_per_item_is_power_over_throughput_while_it_was_measured():
    case = make_case_report(make_result(inference=make_phase(100.0)), make_monitor(window=(STARTED + 27.0, STARTED + 36.7)))
    assert case.metrics.power.joules_per_item == pytest.approx(62.3 / 93.0)


@pytest.mark.parametrize("window", [None, (STARTED, STARTED + 36.8)])
def test_power_that_also_paid_for_compiling_gives_no_energy_per_item(window):
    case = make_case_report(make_result(), make_monitor(window=window))
    assert (case.metrics.power.mean_watts, case.metrics.power.joules_per_item) == (62.3, None)


def test_without_an_engine_the_window_is_the_frameworks_step():
    assert measured_window(make_result(compiler=None)) == pytest.approx((STARTED + 2.9, STARTED + 17.4))
    assert measured_window(make_result(steps=make_steps("oofssss"), compiler=None)) is None


def test_power_comes_from_the_system_monitor_where_the_vendors_has_none():
    vendor, system = make_monitor(power_watts=None), make_monitor(monitor="sys")
    case = case_report(make_plan(), make_case(), make_host(), make_result(), vendor, system)
    assert (case.metrics.power.source, case.metrics.power.mean_watts) == ("sys", 62.3)


def test_what_others_took_of_the_host_comes_from_the_system_monitor():
    system = make_monitor(monitor="sys", steal_percent=Spread(2.0, 0.0, 7.5), cpu_pressure_percent=Spread(11.0, 1.0, 30.0))
    case = case_report(make_plan(), make_case(), make_host(), make_result(), make_monitor(), system)
    assert (case.metrics.steal_percent.mean, case.metrics.steal_percent.maximum) == (2.0, 7.5)
    assert (case.metrics.cpu_pressure_percent.mean, case.metrics.cpu_pressure_percent.maximum) == (11.0, 30.0)


def test_what_no_system_monitor_reported_is_none():
    figures = make_case_report(make_result(), make_monitor()).metrics
    assert (figures.steal_percent, figures.cpu_pressure_percent) == (None, None)


def test_memory_is_of_the_steps_that_load_and_run_the_model():
    memory = make_case_report(make_result(), make_monitor()).metrics.memory
    assert memory.process_peak_bytes == make_steps()["abcdefg".index("f")].peak_memory_bytes < make_steps()[-1].peak_memory_bytes
    assert memory.allocator_peak_bytes is None


def test_a_withheld_percentile_keeps_the_number_of_queries_it_needs():
    percentiles = make_case_report(inference=make_phase(100.0, count=100)).metrics.latency.inference.percentiles
    assert (percentiles["p99"].latency_ms, percentiles["p99"].samples_needed) == (None, 662)
    assert percentiles["p50"].latency_ms == pytest.approx(80.0)
