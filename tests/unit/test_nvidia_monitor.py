"""nvidia_monitor's parser on text as nvidia-smi prints it (--format=csv,noheader,nounits)."""

import importlib.util
import json
from pathlib import Path

import pytest

from utils.monitoring.base import DeviceReading, Log
from utils.monitoring.log import read_log

FOLDER = Path(__file__).resolve().parents[2] / "docker_images/nvidia"
MIB = 2**20


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


monitor = script("nvidia_monitor")
parse = monitor.parse


def test_several_gpus_are_several_readings():
    text = "0, NVIDIA A100-SXM4-80GB, 1523, 81920, 87, 312.45, 61, 1410\n1, NVIDIA A100-SXM4-80GB, 3, 81920, 0, 58.10, 33, 210\n"
    first, second = parse(text)
    assert first == DeviceReading(0, "NVIDIA A100-SXM4-80GB", 1523 * MIB, 81920 * MIB, 87.0, 312.45, 61.0, 1410.0)
    assert (second.index, second.utilisation_percent, second.power_watts) == (1, 0.0, 58.1)


@pytest.mark.parametrize("unknown", ["[N/A]", "[Not Supported]", "[Unknown Error]", "N/A", "[GPU requires reset]"])
def test_what_a_card_does_not_tell_is_none(unknown):
    [reading] = parse(f"0, NVIDIA GeForce RTX 2080 Ti, 11, 11264, 0, {unknown}, 35, {unknown}\n")
    assert (reading.power_watts, reading.frequency_mhz, reading.temperature_celsius) == (None, None, 35.0)


def test_a_card_in_mig_mode_tells_neither_use_nor_memory_to_a_user():
    permission = "[Insufficient Permissions]"
    [reading] = parse(f"0, NVIDIA H100 80GB HBM3, {permission}, {permission}, [N/A], 70.12, 30, 345\n")
    assert (reading.memory_used_bytes, reading.memory_total_bytes, reading.utilisation_percent) == (None, None, None)
    assert reading.power_watts == 70.12


@pytest.mark.parametrize(
    "text",
    [
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.104\n",
        "Failed to initialize NVML: Insufficient Permissions\n",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
        "Unable to determine the device handle for GPU 0000:01:00.0: Unknown Error\n",
        'Field "clocks.sm" is not a valid field to query.\n',
    ],
)
def test_a_complaint_is_an_error_with_nvidia_smi_s_words(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == text.splitlines()[0]


def test_a_row_with_a_column_too_few_is_an_error():
    with pytest.raises(ValueError, match="Tesla T4"):
        parse("0, Tesla T4, 0, 15360, 0, 9.50, 31\n")


@pytest.mark.parametrize(
    ("reasons", "percent"),
    [("0x0000000000000000", 0.0), ("0x0000000000000004", 0.0), ("0x0000000000000040", 100.0), ("0x20", 100.0), ("[N/A]", None)],
)
def test_only_heat_and_a_lack_of_power_count_as_throttling(reasons, percent):
    [reading] = parse(f"0, Tesla T4, 0, 15360, 0, 9.50, 31, 300, {reasons}\n")
    assert reading.throttled_percent == percent


def test_a_driver_that_does_not_know_of_throttling_is_not_asked_again(tmp_path, monkeypatch):
    smi = tmp_path / "nvidia-smi"
    smi.write_text(
        "#!/bin/sh\necho asked >> $0.log\n"
        "case $1 in *throttle*) echo 'Field \"clocks_throttle_reasons.active\" is not a valid field to query.'; exit 2;; esac\n"
        "echo '0, Tesla T4, 0, 15360, 0, 9.50, 31, 300'\n"
    )
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    read = monitor.readings()
    assert [read()[0].frequency_mhz, read()[0].throttled_percent] == [300.0, None]
    assert (tmp_path / "nvidia-smi.log").read_text().count("asked") == 3


def test_a_number_that_is_none_is_an_error():
    with pytest.raises(ValueError, match="hot"):
        parse("0, Tesla T4, 0, 15360, 0, 9.50, hot, 300\n")


def test_a_name_may_have_any_characters():
    assert parse("0, Graphics Device ® é, 0, 15360, 0, 9.50, 31, 300\r\n")[0].name == "Graphics Device ® é"


def test_a_warning_among_the_rows_is_passed_over():
    text = "0, Tesla V100-SXM2-16GB, 0, 16160, 0, 25.33, 40, 135\nWARNING: infoROM is corrupted at gpu 0000:3B:00.0\n"
    assert len(parse(text)) == 1


T4 = "Tesla T4, 0, 15360, 0, 9.50, 31, 300, 0x0"


@pytest.mark.parametrize(
    "bad",
    [
        "Unable to determine the device handle for GPU0000:41:00.0: Unknown Error",
        "1" + ", [GPU is lost]" * 8,
        "1, [Unknown Error], [Unknown Error], [N/A], [N/A], [N/A], [N/A], [N/A], [N/A]",
        "1, Tesla T4, 0, 153",
        "1, Tesla T4, hot, 15360, 0, 9.50, 31, 300, 0x0",
        "1, Tesla T4, 0, 15360, 0, 9.50, 31, 300, 0xZZ",
        "0, Tesla T4, 1, 15360, 0, 9.50, 31, 300, 0x0",
    ],
)
@pytest.mark.parametrize("place", [1, 2])
def test_a_row_that_cannot_be_read_costs_itself_and_shifts_no_other(bad, place):
    rows = [f"0, {T4}", f"2, {T4}"]
    rows.insert(place, bad)
    readings = parse("\n".join(rows))
    assert [(one.index, one.memory_used_bytes, one.power_watts) for one in readings] == [(0, 0.0, 9.5), (2, 0.0, 9.5)]
    assert readings.complaints == (bad,)


def test_a_cell_that_cannot_be_read_is_none_where_nvidia_smi_says_so():
    [reading] = parse("0, Tesla T4, 0, 15360, ERR!, ERR!, 31, 300\n")
    assert (reading.utilisation_percent, reading.power_watts, reading.temperature_celsius) == (None, None, 31.0)


def test_a_lost_card_is_in_the_log_and_so_in_the_report_s_notes(tmp_path, monkeypatch):
    lost = "Unable to determine the device handle for GPU0000:41:00.0: Unknown Error"
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\necho '{lost}'\necho '0, {T4}'\necho '2, {T4}'\nexit 15\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    log = Log(tmp_path / "nvidia_monitor.log", "nvidia", 0.5)
    for _ in range(3):
        log.take(monitor.readings())
    summary = read_log(tmp_path / "nvidia_monitor.log")
    assert (summary.readings, list(summary.devices)) == (3, ["0: Tesla T4", "2: Tesla T4"])
    assert list(summary.errors) == [f"nvidia-smi: {lost}"]


def test_nothing_printed_is_no_device():
    assert parse("\n") == []


def test_the_analysis_returns_flagperf_s_four_values(tmp_path):
    log = tmp_path / "nvidia_monitor.log"
    card = {"index": [0], "name": ["NVIDIA A100-SXM4-80GB"], "memory_used_bytes": [3 * 2**30], "memory_total_bytes": [80 * 2**30]}
    lines = [{"accelmark_monitor": 1, "monitor": "nvidia", "interval": 0.5}, {"time": 1.0, **card}]
    log.write_text("\n".join(map(json.dumps, lines)))
    assert script("nvidia_analysis").analysis_log(str(log)) == (3.0, 80.0, 19.5e12, 312e12)


def test_the_analysis_of_an_unknown_card_has_no_peak(tmp_path):
    log = tmp_path / "nvidia_monitor.log"
    lines = [{"accelmark_monitor": 1, "monitor": "nvidia"}, {"time": 1.0, "index": [0], "name": ["GRID A100-10C"]}]
    log.write_text("\n".join(map(json.dumps, lines)))
    assert script("nvidia_analysis").analysis_log(str(log)) == (0.0, 0.0, 0.0, 0.0)
