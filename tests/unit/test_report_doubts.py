"""The host's doubts: what monitors saw while a case was measured, and what that makes of its status."""

import pytest
from report_example import STARTED, make_case_report, make_monitor, make_plan, make_result

from tools.contract import Reason
from utils.monitoring.model import Series, Spread
from utils.report.build import case_report
from utils.report.doubts import doubts, judged

GIB = 2**30
STEP_F = (STARTED + 27.0, STARTED + 36.7)
"""When the example's engine was measured."""


def series(name, value, device="0", begin=STEP_F[0], count=20):
    """Readings twice a second from `begin` on; `value` is one for all, or a function of their place."""
    values = [value(place) if callable(value) else value for place in range(count)]
    return Series(name, "", device, [begin + 0.4 * place for place in range(count)], values)


def device(*readings, **changes):
    values = {"monitor": "gpu", "window": STEP_F, "memory_used_max_bytes": None, "memory_total_bytes": 80 * GIB}
    return make_monitor(**{**values, "series": readings, **changes})


def host(**changes):
    return make_monitor(monitor="sys", window=STEP_F, series=(), **changes)


def kinds(vendor=None, system=None, **changes):
    return [doubt.kind for doubt in doubts(make_result(**changes), vendor, system)]


def test_a_steady_clock_and_a_hot_device_are_no_doubt():
    clock = series("frequency_mhz", lambda place: 1980 - place)
    assert kinds(device(clock, temperature_celsius=Spread(89.0, 80.0, 93.0))) == []


def test_a_clock_that_falls_by_more_than_a_tenth_is_a_doubt_with_its_figures():
    clock = series("frequency_mhz", lambda place: 1980.0 if place < 15 else 1410.0)
    [doubt] = doubts(make_result(), device(clock), None)
    assert doubt.kind == "clock"
    assert "0: the clock fell to 1,410 MHz from 1,980 (in 25 % of the readings)" in doubt.message
    assert "fix its clock" in doubt.message


def test_a_device_that_says_that_it_slows_itself_down_is_believed():
    throttled = series("throttled_percent", lambda place: 100.0 if place < 8 else 0.0)
    clock = series("frequency_mhz", lambda place: 1410.0 if place < 8 else 1980.0)
    [doubt] = doubts(make_result(), device(throttled, clock), None)
    assert (doubt.kind, "it slowed itself down for heat or a lack of power (in 40 % of the readings)" in doubt.message) == (
        "clock",
        True,
    )
    assert kinds(device(series("throttled_percent", 0.0), series("frequency_mhz", 1980.0))) == []


def test_a_clock_that_falls_early_and_stays_low_is_one_too():
    [doubt] = doubts(make_result(), device(series("frequency_mhz", lambda place: 1980.0 if place < 6 else 1410.0)), None)
    assert "fell to 1,410 MHz from 1,980 (in 70 % of the readings)" in doubt.message


def test_a_single_low_reading_is_no_doubt():
    assert kinds(device(series("frequency_mhz", lambda place: 600.0 if place == 3 else 1980.0))) == []


def test_an_idle_device_may_lower_its_clock():
    resting = range(12, 18)
    clock = series("frequency_mhz", lambda place: 345.0 if place in resting else 1980.0)
    busy = series("utilisation_percent", lambda place: 1.0 if place in resting else 97.0)
    assert kinds(device(clock, busy)) == []
    assert kinds(device(clock)) == ["clock"]


def test_a_clock_that_falls_while_nothing_is_measured_is_no_doubt():
    compiling = series("frequency_mhz", lambda place: 1980.0 if place < 8 else 900.0, begin=STARTED + 20.7, count=15)
    assert kinds(device(compiling)) == []


def test_a_nearly_full_device_is_a_doubt():
    [doubt] = doubts(make_result(), device(memory_used_max_bytes=77.0 * GIB), None)
    assert (doubt.kind, "77.0 of 80.0 GiB" in doubt.message) == ("device memory", True)
    assert kinds(device(memory_used_max_bytes=70.0 * GIB)) == []


def test_one_full_device_of_eight_is_found():
    readings = [series("memory_used_bytes", (79.0 if place == 5 else 1.0) * GIB, device=str(place)) for place in range(8)]
    eight = {"devices": tuple("01234567"), "memory_used_max_bytes": 86.0 * GIB, "memory_total_bytes": 640 * GIB}
    assert kinds(device(*readings, **eight)) == ["device memory"]


def test_memory_in_use_before_the_guest_began_is_another_process():
    before = series("memory_used_bytes", 12.0 * GIB, begin=STARTED - 2, count=60)
    [doubt] = doubts(make_result(), device(before), None)
    assert (doubt.kind, "12.0 GiB were in use before the guest began" in doubt.message) == ("foreign process", True)


def test_a_processors_memory_is_judged_once_as_the_hosts():
    full = {"memory_used_max_bytes": 15.9 * GIB, "memory_total_bytes": 16.0 * GIB}
    used = series("memory_used_bytes", 15.9 * GIB, begin=STARTED - 2)
    assert kinds(device(used, **full), host(**full)) == ["memory"]


@pytest.mark.parametrize(
    ("changes", "kind", "figure"),
    [
        ({"steal_percent": Spread(2.6, 0.0, 9.0)}, "loaded host", "took 2.6 %"),
        ({"cpu_pressure_percent": Spread(40.0, 0.0, 90.0)}, "loaded host", "waited for a processor 40 %"),
        ({"swap_used_bytes": Spread(GIB, GIB, 1.5 * GIB)}, "memory", "swapped 0.50 GiB"),
    ],
)
def test_a_loaded_host_is_a_doubt_with_its_figure(changes, kind, figure):
    [doubt] = doubts(make_result(), None, host(**changes))
    assert (doubt.kind, figure in doubt.message) == (kind, True)


def test_a_quiet_host_is_none():
    quiet = {"steal_percent": Spread(0.4, 0.0, 3.0), "cpu_pressure_percent": Spread(3.0, 0.0, 40.0)}
    assert kinds(None, host(swap_used_bytes=Spread(GIB, GIB, GIB), **quiet)) == []


def test_what_was_seen_over_the_whole_case_says_nothing_of_what_was_measured():
    system = make_monitor(monitor="sys", window=None, series=(), steal_percent=Spread(30.0, 0.0, 90.0))
    assert kinds(None, system) == []


def test_a_doubt_makes_ok_tainted():
    system = host(steal_percent=Spread(5.0, 0.0, 9.0))
    case = case_report(make_plan(), make_plan().cases[0], make_plan().hosts[0], make_result(), None, system)
    assert (case.status, [reason.kind for reason in case.reasons]) == ("TAINTED", ["loaded host"])


@pytest.mark.parametrize("status", ["INVALID", "FAILED"])
def test_a_doubt_changes_nothing_of_what_is_worse(status):
    wrong = [Reason("accuracy", "top1 is 0.001")]
    result = make_result(status=status, reasons=wrong)
    assert judged(result, None, host(steal_percent=Spread(5.0, 0.0, 9.0))) == (status, wrong)


def test_what_the_guest_doubts_already_is_not_said_twice():
    own = [Reason("loaded host", "inference: other processes used 14.0 % of the processors' time")]
    result = make_result(status="TAINTED", reasons=own)
    assert judged(result, None, host(steal_percent=Spread(5.0, 0.0, 9.0))) == ("TAINTED", own)


def test_the_example_s_monitor_gives_no_doubt():
    assert make_case_report(monitor=make_monitor()).status == "OK"
