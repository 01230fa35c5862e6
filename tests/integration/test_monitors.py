"""Monitors as the real daemons they are, started and stopped as a host does it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.connection.local import LocalConnection
from utils.monitoring.log import read_log, summarise
from utils.monitoring.supervise import monitors, stop_all

ROOT = Path(__file__).resolve().parents[2]
SYSTEM, CPU = ROOT / "utils/sys_monitor.py", ROOT / "docker_images/cpu/cpu_monitor.py"
NEW_VENDOR = """
import sys
sys.path.insert(0, {root!r})
from utils.monitoring.base import DeviceReading, main, monitor

def parse(text):
    return [DeviceReading(int(index), "New 1", power_watts=float(watts)) for index, watts in map(str.split, text.splitlines())]

if __name__ == "__main__":
    sys.exit(main(monitor("new", ({tool!r},), parse)))
"""
FLAGPERF_STYLE = """
import os, signal, sys, time
operation, folder = sys.argv[sys.argv.index("-o") + 1], sys.argv[sys.argv.index("-l") + 1]
pid_file = os.path.join({temporary!r}, "gpu_monitor.pid")
if operation == "start":
    if os.fork():
        sys.exit(0)
    os.setsid()
    if os.fork():
        sys.exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    open(pid_file, "w").write(str(os.getpid()))
    while True:
        with open(os.path.join(folder, "old_monitor.log"), "a") as log:
            log.write(time.strftime("%Y-%m-%d-%H:%M:%S") + "\\n40C 100W 2048MiB 16384MiB 7%\\n\\n")
        time.sleep(0.1)
elif operation == "stop":
    os.kill(int(open(pid_file).read()), signal.SIGTERM)
    os.remove(pid_file)
"""
FLAGPERF_ANALYSIS = """
def analysis_log(logpath):
    rows = [line.split() for line in open(logpath) if "MiB" in line]
    return max(float(row[2][:-3]) for row in rows) / 1024, float(rows[-1][3][:-3]) / 1024, 24e12, 96e12
"""


@pytest.fixture
def operate(tmp_path):
    """Runs a monitor's command line; whatever it started is stopped in the end."""
    used = set()

    def run(script, operation, folder=tmp_path / "logs", interval="0.05"):
        used.add((script, folder))
        environment = dict(os.environ, ACCELMARK_MONITOR_INTERVAL=interval)
        command = [sys.executable, str(script), "-o", operation, "-l", str(folder)]
        return subprocess.run(command, env=environment, timeout=120, capture_output=True, text=True, cwd="/", check=False)

    yield run
    for script, folder in list(used):
        run(script, "stop", folder)


@pytest.fixture
def host():
    with LocalConnection("localhost") as connection:
        yield connection


def eventually(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def lines(path):
    return path.read_text().count("\n") if path.exists() else 0


def pid_of(pid_file):
    return int(pid_file.read_text().split()[0])


def ended(pid):
    """True for a zombie too: not every container's first process buries them."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def tool(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def new_vendor(tmp_path, tool_script):
    """A vendor's monitor as a newcomer writes it, and its vendor's tool."""
    script = tmp_path / "new_monitor.py"
    script.write_text(NEW_VENDOR.format(root=str(ROOT), tool=str(tool(tmp_path, "new-smi", tool_script))))
    return script


@pytest.mark.parametrize(("script", "name"), [(SYSTEM, "sys"), (CPU, "cpu")])
def test_a_monitor_starts_logs_and_stops(operate, tmp_path, script, name):
    log = tmp_path / f"logs/{name}_monitor.log"
    assert operate(script, "start").returncode == 0
    assert operate(script, "status").returncode == 0
    eventually(lambda: lines(log) > 3)
    assert operate(script, "stop").returncode == 0
    assert operate(script, "status").returncode == 3
    summary = read_log(log)
    assert (summary.errors, len(summary.devices)) == ((), 1)
    assert 0 < summary.memory_used_max_bytes < summary.memory_total_bytes
    assert 0 <= summary.utilisation_percent.minimum <= summary.utilisation_percent.maximum <= 100


def test_starting_and_stopping_twice_changes_nothing(operate, tmp_path):
    operate(CPU, "start")
    pid = pid_of(tmp_path / "logs/cpu_monitor.pid")
    assert (operate(CPU, "start").returncode, pid_of(tmp_path / "logs/cpu_monitor.pid")) == (0, pid)
    assert [operate(CPU, "stop").returncode for _ in range(2)] == [0, 0]
    assert ended(pid)


def test_a_restart_is_another_process_on_the_same_log(operate, tmp_path):
    operate(CPU, "start")
    pid = pid_of(tmp_path / "logs/cpu_monitor.pid")
    assert operate(CPU, "restart").returncode == 0
    assert pid_of(tmp_path / "logs/cpu_monitor.pid") != pid
    operate(CPU, "stop")
    assert (tmp_path / "logs/cpu_monitor.log").read_text().count("accelmark_monitor") == 2


def test_stopping_takes_a_last_reading(operate, tmp_path):
    operate(SYSTEM, "start", interval="3600")
    eventually(lambda: lines(tmp_path / "logs/sys_monitor.log") == 2)
    operate(SYSTEM, "stop")
    assert lines(tmp_path / "logs/sys_monitor.log") == 3


def test_the_daemon_keeps_nothing_of_its_caller(operate, tmp_path):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    command = [sys.executable, str(CPU), "-o", "start", "-l", str(tmp_path / "logs")]
    subprocess.run(command, pass_fds=(writer,), timeout=120, check=True, stdout=subprocess.DEVNULL)
    os.close(writer)
    assert os.read(reader, 1) == b""  # the end of file: nobody else holds the other end
    os.close(reader)
    pid = pid_of(tmp_path / "logs/cpu_monitor.pid")
    assert os.getsid(pid) != os.getsid(0)
    assert operate(CPU, "status").returncode == 0


def test_a_killed_monitor_is_stopped_and_can_start_again(operate, tmp_path):
    operate(CPU, "start")
    pid = pid_of(tmp_path / "logs/cpu_monitor.pid")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: ended(pid))
    assert operate(CPU, "status").returncode == 3
    assert operate(CPU, "start").returncode == 0
    assert operate(CPU, "status").returncode == 0


def test_a_monitor_ends_when_its_folder_is_removed(operate, tmp_path):
    operate(CPU, "start")
    pid = pid_of(tmp_path / "logs/cpu_monitor.pid")
    for path in (tmp_path / "logs").iterdir():
        path.unlink()
    (tmp_path / "logs").rmdir()
    eventually(lambda: ended(pid))


def test_a_folder_that_cannot_be_made_is_refused(operate, tmp_path):
    (tmp_path / "file").write_text("")
    done = operate(CPU, "start", folder=tmp_path / "file/logs")
    assert (done.returncode, "Not a directory" in done.stderr) == (1, True)


def test_a_new_vendor_s_monitor_is_ten_lines(operate, tmp_path):
    script = new_vendor(tmp_path, "echo 0 100.5; echo 1 99.5")
    operate(script, "start")
    eventually(lambda: lines(tmp_path / "logs/new_monitor.log") > 2)
    operate(script, "stop")
    summary = summarise(tmp_path, "new", tmp_path / "logs/new_monitor.log")
    assert (summary.devices, summary.power_watts.mean) == (("0: New 1", "1: New 1"), 200.0)


def test_a_tool_that_hangs_is_an_error_and_stopping_stays_quick(operate, tmp_path):
    script = new_vendor(tmp_path, f"echo $$ >> {tmp_path}/pids; sleep 600")
    operate(script, "start")
    log = tmp_path / "logs/new_monitor.log"
    eventually(lambda: "timed out" in log.read_text())
    begin = time.monotonic()
    assert operate(script, "stop").returncode == 0
    assert time.monotonic() - begin < 60
    eventually(lambda: all(ended(int(pid)) for pid in (tmp_path / "pids").read_text().split()))


def test_a_tool_that_fails_now_and_then_is_an_error_and_goes_on(operate, tmp_path):
    script = new_vendor(tmp_path, f"[ -e {tmp_path}/flag ] || {{ touch {tmp_path}/flag; echo no driver; exit 9; }}; echo 0 5")
    operate(script, "start")
    eventually(lambda: "power_watts" in (tmp_path / "logs/new_monitor.log").read_text())
    operate(script, "stop")
    summary = read_log(tmp_path / "logs/new_monitor.log")
    assert (summary.errors[0].split(": ", 1)[1], summary.power_watts.maximum) == ("exit 9: no driver", 5.0)


def test_a_monitor_costs_next_to_nothing(operate, tmp_path):
    operate(CPU, "start", interval="0.1")
    pid = pid_of(tmp_path / "logs/cpu_monitor.pid")
    eventually(lambda: lines(tmp_path / "logs/cpu_monitor.log") > 21)
    ticks = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    assert ticks / os.sysconf("SC_CLK_TCK") < 0.3  # 20 readings: at the usual interval under 3 % of one slow core


def test_a_host_s_monitors_run_around_a_case(host, tmp_path):
    log_dir = tmp_path / "results/run1/digits:pytorch/localhost_noderank0"
    with monitors(host, str(ROOT), "cpu", str(log_dir), 0.05) as supervised:
        eventually(lambda: lines(log_dir / "cpu_monitor.log") > 2)
        pids = [pid_of(pid_file) for pid_file in log_dir.glob("*.pid")]
    assert (supervised.notes, len(pids)) == ([], 2)
    assert all(map(ended, pids))
    assert json.loads((log_dir / "cpu_monitor.log").read_text().splitlines()[0])["interval"] == 0.05


def test_a_monitor_that_dies_in_the_middle_is_a_note(host, tmp_path):
    with monitors(host, str(ROOT), "cpu", str(tmp_path), 0.05) as supervised:
        pid = pid_of(tmp_path / "cpu_monitor.pid")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: ended(pid))
    assert supervised.notes == ["the cpu monitor on localhost: it ended before the case did; its readings stop early"]


@pytest.mark.parametrize(
    ("script", "note"),
    [
        (None, "there is none"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import sys; sys.exit('no')", "start: no"),
    ],
)
def test_a_vendor_s_monitor_that_does_not_start_is_a_note(host, tmp_path, script, note):
    folder = code_with_vendor(tmp_path, script)
    with monitors(host, str(tmp_path / "code"), folder.name, str(tmp_path / "logs"), 0.05) as supervised:
        pass
    [said] = supervised.notes
    assert note in said


def test_a_monitor_of_flagperf_s_runs_too(host, tmp_path):
    folder = code_with_vendor(tmp_path, FLAGPERF_STYLE.format(temporary=str(tmp_path)))
    (folder / "old_analysis.py").write_text(FLAGPERF_ANALYSIS)
    log = tmp_path / "logs/old_monitor.log"
    with monitors(host, str(tmp_path / "code"), "old", str(tmp_path / "logs"), 0.05) as supervised:
        eventually(lambda: lines(log) > 3)
        pid = pid_of(tmp_path / "gpu_monitor.pid")
    assert (supervised.notes, ended(pid)) == ([], True)
    summary = summarise(folder, "old", log)
    assert (summary.memory_used_max_bytes, summary.peak_flops) == (2 * 2**30, {"fp32": 24e12, "fp16": 96e12})


def test_what_a_killed_run_left_is_found_and_stopped(host, operate, tmp_path):
    logs = tmp_path / "results/run1/case/localhost_noderank0"
    operate(CPU, "start", folder=logs)
    pid = pid_of(logs / "cpu_monitor.pid")
    assert stop_all(host, str(tmp_path / "results")) == [f"monitor {logs}/cpu_monitor"]
    assert ended(pid)
    assert stop_all(host, str(tmp_path / "results")) == []


def code_with_vendor(tmp_path, monitor_script):
    """A FLAGPERF_PATH with the system monitor and a vendor `old`, whose monitor is the script given."""
    folder = tmp_path / "code/docker_images/old"
    folder.mkdir(parents=True)
    (tmp_path / "code/utils").symlink_to(ROOT / "utils")
    if monitor_script is not None:
        (folder / "old_monitor.py").write_text(monitor_script)
    return folder
