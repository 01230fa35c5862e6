"""The cpu and the system monitor's readings, from a machine that is made up."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from utils.monitoring import procfs
from utils.sys_monitor import CpuPressure, SystemReader

SCRIPT = Path(__file__).resolve().parents[2] / "docker_images/cpu/cpu_monitor.py"
spec = importlib.util.spec_from_file_location("cpu_monitor", SCRIPT)
cpu_monitor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu_monitor)


class FakeMachine:
    """Answers as psutil does; `times` are the seconds that it has spent on what, in procfs.ProcessorTimes' order."""

    def __init__(self, *times, swap=0, megahertz=None, sensors=None):
        self.times, self.swap, self.megahertz, self.sensors = times or (1.0,) * 8, swap, megahertz, sensors or {}

    def cpu_times(self):
        return procfs.ProcessorTimes(*self.times)

    def virtual_memory(self):
        return procfs.Memory(total=1000, available=400)

    def swap_memory(self):
        return procfs.Swap(total=self.swap, used=self.swap // 2)

    def cpu_freq(self):
        if isinstance(self.megahertz, Exception):
            raise self.megahertz
        return self.megahertz and procfs.Frequency(self.megahertz)

    def sensors_temperatures(self):
        return {chip: [SimpleNamespace(current=value) for value in values] for chip, values in self.sensors.items()}


def second_reading(before, after):
    machine = FakeMachine(*before)
    read = SystemReader(machine)
    read()
    machine.times = after
    return read()[0]


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.fixture
def rapl(tmp_path):
    zones = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "package-1", "intel-rapl:2": "psys"}
    files = {f"{zone}/{name}": text for zone, of in zones.items() for name, text in {"name": of, "energy_uj": 900}.items()}
    return write(
        tmp_path / "powercap", {**files, "intel-rapl:0/max_energy_range_uj": 1000, "intel-rapl:1/max_energy_range_uj": 1000}
    )


def test_used_memory_is_what_is_not_available():
    [reading] = SystemReader(FakeMachine())()
    assert (reading.memory_used_bytes, reading.memory_total_bytes) == (600, 1000)


def test_the_load_is_the_last_minute_s(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 2.5, 3.5))
    assert SystemReader(FakeMachine())()[0].load_average == 1.5


@pytest.mark.parametrize(("swap", "used"), [(0, None), (200, 100)])
def test_swap_in_use_is_reported_where_there_is_swap(swap, used):
    assert SystemReader(FakeMachine(swap=swap))()[0].swap_used_bytes == used


def test_the_first_reading_has_no_shares():
    [reading] = SystemReader(FakeMachine())()
    assert (reading.utilisation_percent, reading.steal_percent) == (None, None)


def test_utilisation_is_what_was_not_idle_since_the_reading_before():
    reading = second_reading(before=(100, 0, 100, 700, 100, 0, 0, 0), after=(130, 0, 100, 760, 110, 0, 0, 0))
    assert (reading.utilisation_percent, reading.steal_percent) == (30.0, 0.0)


def test_time_that_the_hypervisor_took_is_stolen_and_not_idle():
    reading = second_reading(before=(0, 0, 0, 0, 0, 0, 0, 50), after=(10, 0, 0, 65, 0, 0, 0, 75))
    assert (reading.utilisation_percent, reading.steal_percent) == (35.0, 25.0)


def test_idle_time_that_runs_backwards_is_no_negative_utilisation():
    assert second_reading((100, 0, 0, 700, 0, 0, 0, 0), (200, 0, 0, 690, 0, 0, 0, 0)).utilisation_percent == 100.0


def test_two_readings_in_the_same_tick_have_no_shares_between_them():
    assert second_reading((1,) * 8, (1,) * 8).utilisation_percent is None


def test_cpu_pressure_is_the_waiting_since_the_reading_before(tmp_path):
    times, line = iter([10.0, 12.0]), "some avg10=99.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 total=7"
    pressure = CpuPressure(tmp_path / "cpu", lambda: next(times))
    write(tmp_path, {"cpu": line.format(1_000_000)})
    assert pressure() is None
    write(tmp_path, {"cpu": line.format(1_500_000)})
    assert pressure() == 25.0


def test_a_kernel_that_counts_no_pressure_reports_none(tmp_path):
    pressure = CpuPressure(tmp_path / "none")
    assert (pressure(), pressure()) == (None, None)


def test_a_machine_without_sensors_reports_none_of_them(tmp_path):
    [reading] = cpu_monitor.CpuReader(FakeMachine(), cpu_monitor.Rapl(tmp_path))()
    assert (reading.power_watts, reading.temperature_celsius, reading.frequency_mhz) == (None, None, None)
    assert (reading.name, reading.load_average) == (cpu_monitor.processor_name(), None)


def test_the_processors_hottest_sensor_and_mean_frequency_are_reported(tmp_path):
    machine = FakeMachine(megahertz=2500.04, sensors={"nvme": [90.0], "k10temp": [51.5, 48.0]})
    [reading] = cpu_monitor.CpuReader(machine, cpu_monitor.Rapl(tmp_path))()
    assert (reading.temperature_celsius, reading.frequency_mhz) == (51.5, 2500.0)


def test_a_frequency_that_psutil_cannot_find_is_not_reported():
    assert cpu_monitor.frequency(FakeMachine(megahertz=NotImplementedError("can't find current frequency file"))) is None


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


@pytest.mark.parametrize(
    ("line", "name"), [("model name\t: A Processor @ 3 GHz", "A Processor @ 3 GHz"), ("BogoMIPS\t: 50", os.uname().machine)]
)
def test_a_processor_without_a_name_has_its_architecture_s(tmp_path, line, name):
    write(tmp_path, {"cpuinfo": f"processor\t: 0\n{line}"})
    assert cpu_monitor.processor_name(tmp_path) == name
