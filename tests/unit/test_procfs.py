"""What stands in for psutil says what psutil says."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from utils.monitoring import procfs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def frozen(tmp_path, monkeypatch):
    """This machine's /proc at one moment, for psutil too."""
    for name in ("stat", "meminfo", "cpuinfo", "vmstat", "zoneinfo"):
        shutil.copyfile(f"/proc/{name}", tmp_path / name)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    return tmp_path


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize("function", ["cpu_times", "virtual_memory", "swap_memory"])
def test_it_says_of_this_machine_what_psutil_says(frozen, function):
    ours, theirs = getattr(procfs, function)(frozen), getattr(psutil, function)()
    assert ours._asdict() == {name: getattr(theirs, name) for name in ours._fields}


def test_it_has_the_frequency_that_psutil_has(frozen):
    ours, theirs = procfs.cpu_freq(frozen), psutil.cpu_freq()
    assert (ours and ours.current) == (theirs and pytest.approx(theirs.current, rel=0.01))


def test_it_has_the_sensors_that_psutil_has():
    theirs = psutil.sensors_temperatures()
    ours = procfs.sensors_temperatures()
    assert {chip: len(sensors) for chip, sensors in ours.items()}.items() <= {c: len(s) for c, s in theirs.items()}.items()


def test_a_frequency_that_is_not_in_cpuinfo_is_cpufreq_s(tmp_path):
    name = "devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
    sys_folder = write(tmp_path / "sys", {name.format(0): 2000000, name.format(1): 3000000, name.format(2): "<unknown>"})
    assert procfs.cpu_freq(tmp_path, sys_folder).current == 2500.0


def test_a_machine_without_a_frequency_has_none(tmp_path):
    assert procfs.cpu_freq(tmp_path, tmp_path) is None


def test_sensors_are_found_by_their_chip_s_name(tmp_path):
    chips = {"hwmon0": ("nvme", 90000), "hwmon1": ("k10temp", 51500), "hwmon2": ("k10temp", 48000)}
    files = {f"class/hwmon/{chip}/name": name for chip, (name, _) in chips.items()}
    write(tmp_path, {**files, **{f"class/hwmon/{chip}/temp1_input": value for chip, (_, value) in chips.items()}})
    found = procfs.sensors_temperatures(tmp_path)
    assert {chip: [sensor.current for sensor in sensors] for chip, sensors in found.items()} == {
        "nvme": [90.0],
        "k10temp": [51.5, 48.0],
    }


@pytest.mark.parametrize(("options", "module"), [([], "psutil"), (["-I", "-S"], "utils.monitoring.procfs")])
def test_the_monitors_take_psutil_and_stand_in_for_it_where_it_is_missing(options, module):
    asked = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from utils.sys_monitor import MACHINE; print(MACHINE.__name__)"
    done = subprocess.run([sys.executable, *options, "-c", asked], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == module
