"""Hosts that are only simulated: a connection that answers what run.py asks, and a guest that measured something."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from report_example import STARTED, make_case, make_phase, make_plan, make_result

from tools.contract import RESULT_FILE, Progress, Result, to_json
from tools.errors import HostError
from utils.connection.base import Completed
from utils.plan import HostTarget, RunPlan


def many_hosts(count: int) -> tuple[HostTarget, ...]:
    return tuple(HostTarget(f"node{rank:03}", rank, ssh=True) for rank in range(count))


def fleet_plan(folder: Path, hosts: int, cases: tuple[str, ...] = ("digits",), **changes: Any) -> RunPlan:
    """A run of `cases` as a process on so many simulated hosts; the project's own code is what travels."""
    plans = tuple(make_case(case) for case in cases)
    checkout = Path(__file__).parents[2]
    values = {"checkout": checkout, "results": folder, "hosts": many_hosts(hosts), "cases": plans, **changes}
    return replace(make_plan(folder), **values)


class FakeConnection:
    """One simulated host: nothing runs anywhere, every command succeeds at once, and the guest's result is `result(target)`.

    `logs` are files that lie beside the result. `wait(target)` is called while the guest runs.
    """

    is_local = False
    python = "python3"

    def __init__(
        self,
        target: HostTarget,
        result: Callable[[HostTarget], Result],
        logs: dict[str, str],
        wait: Callable[[HostTarget], None],
    ) -> None:
        self.host = target.host
        self._target, self._result, self._logs, self._wait = target, result, logs, wait

    def run(self, argv, *, timeout, cwd=None, env=None, stdin=b"", on_line=None, cancelled=None):
        if "run_inference.py" in argv and on_line is not None:
            self._guest(on_line)
        return Completed(tuple(argv), 0, self._answer(stdin), "")

    def _guest(self, on_line: Callable[[str], None]) -> None:
        for step in "abcdefg":
            on_line(Progress(step, 50, 100).line())
        self._wait(self._target)
        on_line("done")

    def _answer(self, stdin: bytes) -> str:
        """The code that is compared is all missing here, so all of it travels."""
        asked = json.loads(stdin) if stdin.startswith(b'{"root"') else {}
        return json.dumps({"foreign": False, "error": "", "differ": list(asked["files"]), "gone": []}) if asked else "0"

    def put_tree(self, root, names, target, cancelled=None):
        for name in names:
            (root / name).stat()

    def get_tree(self, source, target):
        target.mkdir(parents=True, exist_ok=True)
        case = Path(source).parent.name.partition(":")[0]
        (target / RESULT_FILE).write_text(to_json(replace(self._result(self._target), case=case)), encoding="utf-8")
        for name, text in self._logs.items():
            (target / name).write_text(text, encoding="utf-8")
        return []

    def docker(self):
        raise HostError(f"{self.host}: a simulated host has no Docker engine")

    def reach(self, cancelled=None):
        """It is always there."""

    def reach_engine(self):
        self.docker()

    def close(self):
        """Nothing was opened."""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Fleet:
    """`connect` for simulated hosts: `fleet.connect` in its place. Hosts in `dead` are not reached; `most` is how many were
    connected at one time, and `host` what a connection to one is."""

    def __init__(self, result=None, logs=None, dead=(), wait=lambda _: None, host=FakeConnection):
        self.now = self.most = 0
        self._host = host
        self._result, self._logs, self._dead, self._wait = result or result_of, logs or {}, set(dead), wait
        self._lock = threading.Lock()

    def connect(self, target, cancelled=None):
        if target.host in self._dead:
            raise HostError(f"{target.host}: no route to host")
        fleet = self

        class Counted(self._host):
            def __enter__(self):
                with fleet._lock:
                    fleet.now += 1
                    fleet.most = max(fleet.most, fleet.now)
                return self

            def close(self):
                with fleet._lock:
                    fleet.now -= 1

        return Counted(target, self._result, self._logs, self._wait)


def result_of(target: HostTarget) -> Result:
    """What a host measured: each a little different, node002 far off."""
    core = 60_000.0 * (1 + 0.001 * (target.rank % 7)) * (0.6 if target.rank == 2 else 1.0)
    return make_result(inference=make_phase(core, 0.98, 700), validation=make_phase(core / 3, 0.98, 700), flops_per_item=2.1e6)


def monitor_log(readings: int, devices: int, monitor: str = "cpu") -> str:
    """A log as Accelmark's monitors write it, twice a second."""
    lines = [json.dumps({"accelmark_monitor": 1, "monitor": monitor, "interval": 0.5, "started": STARTED})]
    for number in range(readings):
        columns = {
            "index": list(range(devices)),
            "name": ["NVIDIA A100-SXM4-80GB"] * devices,
            "memory_used_bytes": [60e9 + 1e6 * ((number + device) % 97) for device in range(devices)],
            "memory_total_bytes": [85899345920] * devices,
            "utilisation_percent": [90.0 + (number + device) % 10 for device in range(devices)],
            "power_watts": [350.0 + (number * 7 + device) % 50 for device in range(devices)],
            "temperature_celsius": [60 + (number + device) % 12 for device in range(devices)],
            "frequency_mhz": [1400 + (number + device) % 11 for device in range(devices)],
        }
        lines.append(json.dumps({"time": STARTED + number / 2, **columns}, separators=(",", ":")))
    return "\n".join(lines) + "\n"
