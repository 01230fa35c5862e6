"""Many hosts: 200 simulated ones in one run (time, memory, what it prints), and two real runs beside one.

python tests/bench/bench_hosts.py [hosts]        (run from the project's folder: `make bench`)
The simulated guests take 2 s each and leave 2 minutes of readings of 8 devices; all of run.py but the connection is real.
Two hosts are two loopback names, reached over SSH, whose guests wait for a device that takes 0.1 s a query, as guests do that
have a device of their own; interleaved with one host, medians.
"""

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/unit"), str(ROOT / "tests/integration")]

HOSTS, SECONDS, MEGABYTES, RATIO = 200, 60.0, 500.0, 1.2
GUEST_SECONDS, READINGS, DEVICES = 2.0, 240, 8
ROUNDS = 3


def simulate(count: int) -> None:
    """One run over `count` simulated hosts, in this process: its peak memory is the run's."""
    from host_fakes import Fleet, fleet_plan, monitor_log

    from utils import dispatch

    logs = {"cpu_monitor.log": monitor_log(READINGS, DEVICES), "sys_monitor.log": monitor_log(READINGS, 1, "sys")}
    fleet = Fleet(logs=logs, wait=lambda _: time.sleep(GUEST_SECONDS))
    dispatch.connect = fleet.connect
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        most_threads = _watch_threads()
        began = time.perf_counter()
        run_report(fleet_plan(folder, count))
        seconds = time.perf_counter() - began
        sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.glob("latest/report.*")))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"SIMULATED {count} hosts: {seconds:.1f} s, peak {peak:.0f} MB, {most_threads()} threads; {sizes}")


def run_report(plan):
    """As `run.py run` does, without host locks: simulated hosts have none."""
    import dataclasses

    from rich.console import Console

    from utils.dispatch import run_plan
    from utils.display import make_display
    from utils.report.pages import write
    from utils.report.terminal import print_report

    folder = plan.results / "latest"
    plan = dataclasses.replace(plan, run_id="latest")
    folder.mkdir()
    console = Console(width=120, highlight=False)
    with make_display(console, tuple(host.host for host in plan.hosts), plan.mask) as display:
        report = run_plan(plan, display, lambda report: write(report, folder))
    print_report(report, console, folder)
    assert [case.host for case in report.cases] == [host.host for host in plan.hosts]
    assert report.run.exit_code == 0, report.run.summary


def _watch_threads():
    most = [0]

    def watch():
        while True:
            most[0] = max(most[0], threading.active_count())
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()
    return lambda: most[0]


def beside_one() -> tuple[float, float]:
    """Seconds of a run on one host and on two, on this machine: medians of interleaved rounds."""
    from run_fixtures import copy_project
    from ssh_fixtures import start_sshd
    from test_host_keys import over_ssh
    from toy import add_case

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        project = copy_project(Path(name) / "project")
        (folder := Path(name) / "sshd").mkdir()
        stack.callback((sshd := start_sshd(folder)).stop)
        keys = over_ssh(sshd, project.folder)
        cases = add_case(project, "toy", call="time.sleep(0.1)\nreturn inputs, 0.0")
        taken = {1: [], 2: []}
        for _ in range(ROUNDS + 1):  # the first warms the page cache
            for hosts, seconds in taken.items():
                project.host_yaml(HOSTS=["127.0.0.1", "localhost"][:hosts], CASES=cases, **keys)
                began = time.perf_counter()
                finished = project.run("run")
                seconds.append(time.perf_counter() - began)
                assert finished.status == 0, finished.output
        return tuple(statistics.median(seconds[1:]) for seconds in taken.values())


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else HOSTS
    done = subprocess.run(
        [sys.executable, __file__, "--simulate", str(count)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    print(said[-1], f"(at most {SECONDS:g} s and {MEGABYTES:g} MB); it printed {len(said) - 1} lines")
    seconds, megabytes = map(float, re.search(r"hosts: ([\d.]+) s, peak (\d+) MB", said[-1]).groups())
    one, two = beside_one()
    print(f"one host {one:.1f} s, two hosts {two:.1f} s: {two / one:.2f} times (at most {RATIO:g})")
    return 0 if seconds <= SECONDS and megabytes <= MEGABYTES and two <= RATIO * one else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--simulate"]:
        simulate(int(sys.argv[2]))
    else:
        sys.exit(main())
