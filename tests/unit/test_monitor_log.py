import json
from random import Random

import pytest

from utils.monitoring.log import ForeignLog, analysis, read_log, summarise
from utils.monitoring.series import POINTS

HEADER = {"accelmark_monitor": 1, "monitor": "x", "interval": 1.0}


def write(tmp_path, *records):
    path = tmp_path / "x_monitor.log"
    lines = [record if isinstance(record, str) else json.dumps(record) for record in (HEADER, *records)]
    path.write_text("\n".join(lines) + "\n")
    return path


def at(time, *devices):
    names = sorted({name for device in devices for name in device})
    return {
        "time": time,
        "index": list(range(len(devices))),
        **{name: [device.get(name) for device in devices] for name in names},
    }


def watts(*powers):
    return [at(float(time), {"power_watts": power}) for time, power in enumerate(powers)]


def vendor_folder(tmp_path, code="", chips=None):
    folder = tmp_path / "vendor"
    folder.mkdir()
    if code:
        (folder / "x_analysis.py").write_text(code)
    if chips is not None:
        (folder / "chips.yaml").write_text(chips)
    return folder


def test_power_and_memory_are_summed_over_the_devices(tmp_path):
    card = {"power_watts": 100.0, "memory_used_bytes": 5, "memory_total_bytes": 8}
    summary = read_log(write(tmp_path, at(1, card, card), at(2, card, {**card, "power_watts": 300.0, "memory_used_bytes": 7})))
    assert (summary.power_watts.minimum, summary.power_watts.mean, summary.power_watts.maximum) == (200.0, 300.0, 400.0)
    assert (summary.memory_used_max_bytes, summary.memory_total_bytes) == (12, 16)


def test_a_device_that_reports_no_power_does_not_count_as_zero(tmp_path):
    summary = read_log(write(tmp_path, at(1, {"power_watts": 10.0}, {}), at(2, {"power_watts": 10.0}, {"power_watts": 20.0})))
    assert (summary.power_watts.minimum, summary.power_watts.maximum) == (10.0, 30.0)


def test_what_no_device_reports_is_none(tmp_path):
    summary = read_log(write(tmp_path, at(1, {"utilisation_percent": 50.0})))
    assert (summary.power_watts, summary.energy_joules, summary.memory_used_max_bytes, summary.load_average) == (None,) * 4


def test_utilisation_is_spread_over_devices_and_time(tmp_path):
    summary = read_log(write(tmp_path, at(1, {"utilisation_percent": 0.0}, {"utilisation_percent": 100.0})))
    assert (summary.utilisation_percent.mean, summary.utilisation_percent.minimum) == (50.0, 0.0)


@pytest.mark.parametrize("quantity", ["load_average", "steal_percent", "cpu_pressure_percent", "swap_used_bytes"])
def test_what_others_ask_of_the_host_is_read_for_the_window(tmp_path, quantity):
    summary = read_log(write(tmp_path, *[at(time, {quantity: value}) for time, value in enumerate((9.0, 1.0, 3.0))]), 1.0, 2.0)
    spread = getattr(summary, quantity)
    assert (spread.mean, spread.minimum, spread.maximum) == (2.0, 1.0, 3.0)
    assert [series.name for series in summary.series] == [quantity]


def test_energy_is_the_integral_of_power_summed_over_devices(tmp_path):
    ramp = [at(float(time), {"power_watts": 100.0 * time}, {"power_watts": 50.0}) for time in range(11)]
    assert read_log(write(tmp_path, *ramp)).energy_joules == pytest.approx(100.0 * 10**2 / 2 + 50.0 * 10)


def test_a_window_limits_statistics_but_not_the_series(tmp_path):
    summary = read_log(write(tmp_path, *watts(0, 100, 200, 300, 400)), start=1.0, stop=3.0)
    assert (summary.readings, summary.power_watts.mean, summary.power_watts.maximum) == (3, 200.0, 300.0)
    assert summary.energy_joules == pytest.approx(400.0)
    assert (len(summary.series[0].times), summary.window) == (5, (1.0, 3.0))


def test_energy_is_cut_at_the_edges_of_a_window_between_readings(tmp_path):
    summary = read_log(write(tmp_path, *watts(0, 100, 200, 300)), start=0.5, stop=0.75)
    assert summary.energy_joules == pytest.approx(0.25 * 62.5)
    assert (summary.readings, summary.power_watts) == (0, None)


def test_energy_of_a_window_that_the_log_does_not_cover_is_remarked(tmp_path):
    summary = read_log(write(tmp_path, *watts(100, 100, 100)), start=0.0, stop=10.0)
    assert summary.errors == ("power was read for 2.0 s of 10.0 s only, so the energy is too low",)


def test_power_is_not_made_up_across_a_long_gap(tmp_path):
    summary = read_log(write(tmp_path, *watts(100, 100), at(1000.0, {"power_watts": 100.0}), at(1001.0, {"power_watts": 100.0})))
    assert summary.energy_joules == pytest.approx(200.0)


def test_a_clock_set_back_gives_no_negative_energy(tmp_path):
    summary = read_log(write(tmp_path, *watts(100, 100, 100), *watts(100, 100)))
    assert summary.energy_joules == pytest.approx(300.0)


def test_garbage_and_a_truncated_end_are_counted(tmp_path):
    short = {**at(4, {}, {}), "power_watts": [1.0]}
    bad = ["\x00\xff", "[1]", '{"time": 2}', at("x", {}), at(3, {"power_watts": "much"}), short, '{"time": 9, "index": [']
    path = write(tmp_path, *watts(100, 200), *bad)
    summary = read_log(path)
    assert (summary.readings, summary.errors) == (2, ("7 lines are not readable",))
    assert summary.power_watts.mean == 150.0


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_to_a_log_is_fatal(tmp_path, seed):
    path, random = write(tmp_path, *watts(*range(20)), {"time": 9, "error": "e"}), Random(seed)
    damaged = list(path.read_text())
    for _ in range(30):
        damaged[random.randrange(60, len(damaged))] = random.choice('0"[]{},:x\n')
    path.write_text("".join(damaged))
    assert 0 <= read_log(path).readings <= 20


@pytest.mark.parametrize(
    "odd", [{"name": 7}, {"name": [[]]}, {"name": []}, {"index": 0}, {"index": [[]]}, {"index": [None]}, {"time": None}]
)
def test_odd_values_in_a_line_are_not_fatal(tmp_path, odd):
    summary = read_log(write(tmp_path, *watts(1, 2), {**at(5.0, {"power_watts": 3.0}), **odd}))
    assert summary.power_watts.minimum == 1.0


def test_nan_is_no_reading(tmp_path):
    summary = read_log(write(tmp_path, '{"time": 1, "index": [0], "power_watts": [NaN]}'))
    assert (summary.readings, summary.errors) == (0, ("1 line is not readable",))


def test_errors_of_the_monitor_are_counted(tmp_path):
    summary = read_log(write(tmp_path, {"time": 1, "error": "no driver"}, {"time": 70, "error": "no driver"}))
    assert summary.errors == ("no driver (2 times)",)


def test_a_restarted_monitor_continues_its_log(tmp_path):
    summary = read_log(write(tmp_path, *watts(1, 1), HEADER, "", at(5.0, {"power_watts": 1.0})))
    assert (summary.readings, summary.errors) == (3, ())


def test_a_long_series_is_thinned_and_keeps_its_extremes(tmp_path):
    powers = [100.0] * 20000
    powers[7], powers[11111], powers[19999] = 1.0, 999.0, 2.0
    series = read_log(write(tmp_path, *watts(*powers))).series[0]
    assert len(series.times) <= POINTS
    assert {1.0, 2.0, 999.0} <= set(series.values)
    assert list(series.times) == sorted(series.times)
    assert dict(zip(series.times, series.values, strict=True))[11111.0] == 999.0


def test_statistics_of_a_thinned_series_are_exact(tmp_path):
    powers = [float(number % 97) for number in range(5000)]
    spread = read_log(write(tmp_path, *watts(*powers))).power_watts
    assert spread.mean == pytest.approx(sum(powers) / len(powers))


def test_a_log_of_another_format_is_foreign(tmp_path):
    (tmp_path / "old.log").write_text("2023-08-01-10:00:00\n40C 100W 4MiB 16MiB 0%\n\n")
    with pytest.raises(ForeignLog):
        read_log(tmp_path / "old.log")


@pytest.mark.parametrize(("values", "peaks"), [("1.5, 16.0", None), ("1.5, 16.0, 24e12, 96e12", {"fp32": 24e12, "fp16": 96e12})])
def test_flagperf_s_analyses_of_both_generations_are_read(tmp_path, values, peaks):
    (tmp_path / "x_monitor.log").write_text("2023-08-01-10:00:00\n40C 100W 4MiB 16MiB 0%\n\n")
    folder = vendor_folder(tmp_path, f"def analysis_log(path):\n    open(path).read(); print('noise')\n    return {values}\n")
    summary = summarise(folder, "x", tmp_path / "x_monitor.log")
    assert (summary.memory_used_max_bytes, summary.memory_total_bytes) == (1.5 * 2**30, 16 * 2**30)
    assert (summary.peak_flops, summary.peak_source) == (peaks, "x_analysis.py" if peaks else None)


def test_a_peak_of_zero_is_no_peak(tmp_path):
    (tmp_path / "x_monitor.log").write_text("text\n")
    folder = vendor_folder(tmp_path, "def analysis_log(path):\n    return 1, 2, 0, 0\n")
    assert summarise(folder, "x", tmp_path / "x_monitor.log").peak_flops is None


@pytest.mark.parametrize(
    "body", ["raise KeyError('MiB')", "return 1", "return 1, 2, 3", "return 'a', 'b'", "exit(3)", "return float('nan'), 1"]
)
def test_an_analysis_that_fails_is_a_note(tmp_path, body):
    (tmp_path / "x_monitor.log").write_text("text\n")
    folder = vendor_folder(tmp_path, f"def analysis_log(path):\n    {body}\n")
    [note] = summarise(folder, "x", tmp_path / "x_monitor.log").errors
    assert note.startswith("x_analysis.py: ")


def test_a_missing_analysis_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match=r"x_analysis\.py does not exist"):
        analysis(tmp_path, "x", tmp_path / "x_monitor.log")


def test_a_missing_log_is_a_note(tmp_path):
    assert summarise(tmp_path, "x", tmp_path / "x_monitor.log").errors == ("x_monitor.log: No such file or directory",)


def test_peaks_come_from_chips_yaml_by_the_device_s_name(tmp_path):
    figures = "name: C, match: Chip 1, peak_flops: {fp16: 2e12}, memory_bytes_per_second: 3e11"
    chips = f"chips: [{{{figures}, source: {{title: Data sheet, url: 'https://x.y/z'}}}}]"
    folder = vendor_folder(tmp_path, "def analysis_log(path):\n    raise RuntimeError\n", chips)
    summary = summarise(folder, "x", write(tmp_path, at(1, {"name": "Chip 1"}, {"name": "Chip 1"})))
    assert (summary.chip, summary.peak_flops, summary.errors) == ("Chip 1", {"fp16": 2e12}, ())
    assert (summary.peak_bytes_per_second, summary.peak_source) == (3e11, "C: Data sheet, https://x.y/z")


def test_devices_that_differ_have_no_peak(tmp_path):
    summary = summarise(tmp_path, "x", write(tmp_path, at(1, {"name": "A"}, {"name": "B"})))
    assert (summary.chip, summary.devices) == (None, ("0: A", "1: B"))
    assert summary.errors == ("the devices differ (A, B), so there is no peak",)


def test_a_broken_chips_yaml_is_a_note(tmp_path):
    folder = vendor_folder(tmp_path, chips="chips: 3")
    summary = summarise(folder, "x", write(tmp_path, at(1, {"name": "A", "power_watts": 5.0})))
    assert "chips.yaml: expected one key" in summary.errors[0]
    assert summary.power_watts.mean == 5.0


def test_a_vendor_without_chips_yaml_may_give_its_peaks_in_the_analysis(tmp_path):
    folder = vendor_folder(tmp_path, "def analysis_log(path):\n    return 1, 2, 3e12, 6e12\n")
    summary = summarise(folder, "x", write(tmp_path, at(1, {"memory_used_bytes": 7})))
    assert (summary.memory_used_max_bytes, summary.peak_flops) == (7, {"fp32": 3e12, "fp16": 6e12})
