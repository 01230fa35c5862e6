"""The cpu and the system monitor's readings, from folders like /proc and /sys."""

import importlib.util
from pathlib import Path

import pytest

from utils.sys_monitor import SystemReader

SCRIPT = Path(__file__).resolve().parents[2] / "docker_images/cpu/cpu_monitor.py"
spec = importlib.util.spec_from_file_location("cpu_monitor", SCRIPT)
cpu_monitor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu_monitor)


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.fixture
def proc(tmp_path):
    return write(
        tmp_path / "proc",
        {
            "stat": "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4",
            "meminfo": "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\nHugePages_Total:       0",
            "loadavg": "0.25 0.5 0.75 1/100 4242",
            "cpuinfo": "processor\t: 0\nmodel name\t: A Processor @ 3 GHz\nflags\t: fpu",
        },
    )


@pytest.fixture
def rapl(tmp_path):
    zones = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "package-1", "intel-rapl:2": "psys"}
    files = {f"{zone}/{name}": text for zone, of in zones.items() for name, text in {"name": of, "energy_uj": 900}.items()}
    return write(
        tmp_path / "powercap", {**files, "intel-rapl:0/max_energy_range_uj": 1000, "intel-rapl:1/max_energy_range_uj": 1000}
    )


def test_used_memory_is_what_is_not_available(proc):
    [reading] = SystemReader(proc)()
    assert (reading.memory_used_bytes, reading.memory_total_bytes) == (600 * 1024, 1000 * 1024)
    assert reading.load_average == 0.25


def test_utilisation_is_what_was_not_idle_since_the_reading_before(proc):
    read = SystemReader(proc)
    assert read()[0].utilisation_percent is None
    write(proc, {"stat": "cpu  130 0 100 760 110 0 0 0 50 0"})
    assert read()[0].utilisation_percent == 30.0


def test_idle_time_that_runs_backwards_is_no_negative_utilisation(proc):
    read = SystemReader(proc)
    read()
    write(proc, {"stat": "cpu  200 0 100 690 100 0 0 0 50 0"})
    assert read()[0].utilisation_percent == 100.0


def test_a_machine_without_sensors_reports_none_of_them(proc, tmp_path):
    [reading] = cpu_monitor.CpuReader(proc, tmp_path / "sys")()
    assert (reading.power_watts, reading.temperature_celsius, reading.frequency_mhz) == (None, None, None)
    assert (reading.name, reading.load_average) == ("A Processor @ 3 GHz", None)


def test_the_hottest_sensor_and_the_mean_frequency_are_reported(proc, tmp_path):
    sensors = {
        "class/hwmon/hwmon0/name": "nvme",
        "class/hwmon/hwmon0/temp1_input": 90000,
        "class/hwmon/hwmon1/name": "k10temp",
        "class/hwmon/hwmon1/temp1_input": 51500,
        "class/hwmon/hwmon1/temp3_input": 48000,
        "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 2000000,
        "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 3000000,
    }
    [reading] = cpu_monitor.CpuReader(proc, write(tmp_path / "sys", sensors))()
    assert (reading.temperature_celsius, reading.frequency_mhz) == (51.5, 2500.0)


def test_power_is_the_packages_energy_over_the_time_between_readings(rapl):
    times = iter([0.0, 2.0])
    meter = cpu_monitor.Rapl(rapl, lambda: next(times))
    assert meter.watts() is None
    write(
        rapl,
        {"intel-rapl:0/energy_uj": 900 + 3_000_000, "intel-rapl:1/energy_uj": 900 + 1_000_000, "intel-rapl:2/energy_uj": 10**9},
    )
    assert meter.watts() == 2.0


def test_a_counter_that_starts_again_from_0_gives_no_negative_power(rapl):
    times = iter([0.0, 1e-4])
    meter = cpu_monitor.Rapl(rapl, lambda: next(times))
    meter.watts()
    write(rapl, {"intel-rapl:0/energy_uj": 100})
    assert meter.watts() == 2.0  # 200 uJ in 0.1 ms


def test_counters_that_may_not_be_read_are_no_power(tmp_path):
    times = iter([0.0, 1.0])
    meter = cpu_monitor.Rapl(write(tmp_path, {"intel-rapl:0/name": "package-0"}), lambda: next(times))
    assert (meter.watts(), meter.watts()) == (None, None)


def test_a_processor_without_a_name_has_its_architecture_s(proc):
    write(proc, {"cpuinfo": "processor\t: 0\nBogoMIPS\t: 50"})
    assert cpu_monitor.processor_name(proc) == cpu_monitor.platform.machine()
