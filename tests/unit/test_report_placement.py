"""No peak, watt or memory of a device on which the quoted numbers were not made."""

import json
from dataclasses import replace

import pytest
from report_example import STARTED, make_case_report, make_monitor, make_phase, make_plan, make_report, make_result

from tools.contract import Device, Peak, Reason
from utils.monitoring.model import Spread
from utils.monitoring.summaries import monitor_summaries
from utils.report.markdown import markdown
from utils.report.rows import facts
from utils.report.terminal import print_report
from utils.report.words import advice

STEP_F = (STARTED + 27.0, STARTED + 36.7)
CHIP = """
  - name: {name}
    match: {name}
    peak_flops: {{fp32: {peak}}}
    source: {{title: a data sheet, url: "https://example.com"}}
"""


def measured_on(*device, vendor="nvidia", **changes):
    phase = replace(make_phase(100.0), device=Device(*device) if device else None)
    return make_result(vendor=vendor, flops_per_item=1e9, inference=phase, **changes)


def of_device(case):
    """The figures that only the monitored device can have."""
    figures = case.metrics
    memory = (figures.memory.device_used_max_bytes, figures.memory.device_total_bytes)
    return (figures.peak_flops, figures.mfu, figures.power.mean_watts, figures.utilisation, figures.temperature, *memory)


def idle(**changes):
    return make_monitor(utilisation_percent=Spread(0.0, 0.0, 0.0), window=STEP_F, **changes)


@pytest.mark.parametrize("device", [(), ("cuda",), (None, "Acme X1")])
def test_the_monitored_device_is_believed_to_have_run_until_something_speaks_against_it(device):
    assert None not in of_device(make_case_report(measured_on(*device), make_monitor()))


def test_what_ran_on_the_processor_borrows_nothing_from_a_card():
    case = make_case_report(measured_on("cpu"), make_monitor())
    assert set(of_device(case)) == {None}
    assert "no MFU: cpu is no device of vendor nvidia" in case.notes


def test_the_remedy_for_another_device_is_not_looked_for_in_the_engine():
    case = make_case_report(
        measured_on("cpu", status="INVALID", reasons=[Reason("other device", "it ran on cpu")]), make_monitor()
    )
    assert advice(case, case.reasons[0]) is None


def test_what_stood_idle_did_not_compute():
    case = make_case_report(measured_on(), idle())
    assert set(of_device(case)) == {None}
    assert (case.status, [reason.kind for reason in case.reasons]) == ("TAINTED", ["idle device"])


@pytest.mark.parametrize("changes", [{"readings": 3}, {"window": None}, {"utilisation_percent": None}])
def test_few_readings_or_none_of_the_phase_itself_prove_no_idleness(changes):
    monitor = replace(idle(), **changes)
    assert make_case_report(measured_on(), monitor).status == "OK"


def test_the_device_that_ran_is_the_first_fact_and_a_card_that_did_not_is_none(capsys):
    ran = make_case_report(measured_on("cuda", "Chip 1"), make_monitor(chip="Chip 1"))
    assert facts(ran)[0] == ("device", "cuda (Chip 1)")
    elsewhere = make_case_report(measured_on("cpu"), make_monitor(chip="Chip 1"))
    report = make_report(elsewhere)
    print_report(report)
    assert "Chip 1" in markdown(make_report(ran))
    assert "Chip 1" not in markdown(report) + capsys.readouterr().out


def monitored(folder, result, names, *readings):
    """What acme's monitor says of a log of these readings of its devices, (seconds since the epoch, bytes in use)."""
    (folder / "docker_images/acme").mkdir(parents=True)
    chips = "chips:" + CHIP.format(name="Chip 1", peak=1e12) + CHIP.format(name="Chip 2", peak=2e12)
    (folder / "docker_images/acme/chips.yaml").write_text(chips)
    lines = [{"accelmark_monitor": 1, "monitor": "acme", "interval": 0.5}]
    for time, used in readings:
        lines.append({"time": time, "index": [0, 1][: len(names)], "name": names, "memory_used_bytes": [used] * len(names)})
    (folder / "acme_monitor.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return monitor_summaries(make_plan(folder, vendor="acme"), folder, result)[0]


@pytest.mark.parametrize(
    ("names", "device", "peak"),
    [
        (["Chip 1"], ("cuda", "Chip 1"), 1e12),
        (["Chip 1"], ("cuda",), 1e12),
        (["Chip 1"], ("cuda", "C1 of torch's"), None),
        (["Chip 1", "Chip 2"], ("cuda", "Chip 2"), 2e12),
        (["Chip 1", "Chip 2"], ("cuda",), None),
        (["Chip 1"], ("cuda", "Chip 1 MIG 1g.10gb"), None),
    ],
)
def test_the_peak_is_that_of_the_device_which_the_guest_names(tmp_path, names, device, peak):
    summary = monitored(tmp_path, measured_on(*device, vendor="acme"), names, (STARTED + 30, 0))
    assert (summary.peak_flops or {}).get("fp32") == peak


def test_a_chip_that_the_monitor_did_not_see_borrows_nothing_and_is_doubtful(tmp_path):
    result = measured_on("cuda", "Chip 2", vendor="acme")
    case = make_case_report(result, monitored(tmp_path, result, ["Chip 1"], (STARTED + 30, 0)))
    assert set(of_device(case)) == {None}
    assert [(reason.kind, reason.message) for reason in case.reasons] == [
        ("unwatched device", "it ran on Chip 2, but the monitor saw 0: Chip 1: is it the same host and engine?")
    ]


@pytest.mark.parametrize(("kind", "vendor"), [("npu", "nvidia"), ("cuda", "ascend"), ("cuda", "cpu"), ("cpu", "acme")])
def test_a_device_of_another_kind_than_the_vendor_s_borrows_nothing(kind, vendor):
    assert set(of_device(make_case_report(measured_on(kind, "Any", vendor=vendor), make_monitor()))) == {None}


@pytest.mark.parametrize(("kind", "vendor"), [("cuda", "nvidia"), ("gpu", "nvidia"), ("npu", "acme"), (None, "nvidia")])
def test_a_device_that_can_be_the_vendor_s_is_watched(kind, vendor):
    assert None not in of_device(make_case_report(measured_on(kind, vendor=vendor), make_monitor()))


def test_of_a_phase_too_short_for_a_reading_the_steps_that_run_the_model_count_and_not_the_machine_s_peak(tmp_path):
    while_compiling, in_step_g = (STARTED + 25, 2), (STARTED + 36.75, 9)
    summary = monitored(tmp_path, measured_on(vendor="acme"), ["Chip 1"], while_compiling, in_step_g)
    assert summary.memory_used_max_bytes == 2


def test_a_measured_peak_stands_in_on_the_vendor_s_own_device_only():
    peak = Peak("fp32", 4e12, 1e11, "measured")
    unpublished = make_monitor(peak_flops=None, peak_source=None)
    assert make_case_report(measured_on("cuda", peak=peak), unpublished).metrics.mfu_source == "measured"
