"""MLPerf's scenarios with the real loadgen: an engine of known latency, one that fails, Ctrl-C, and digits on onnxruntime."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("mlperf_loadgen")

from tools.scenarios import run_scenarios
from tools.workload import Workload

ROOT = Path(__file__).parents[2]
SECONDS = 0.002
ALL = ("SingleStream", "MultiStream", "Server", "Offline")


@dataclass
class Loader:
    """40 numbers, collated without padding."""

    dataset: list = field(default_factory=lambda: list(range(40)))

    @staticmethod
    def collate_fn(items):
        return SimpleNamespace(items=len(items), size=len(items), inputs=[np.array(items)])

    def __iter__(self):
        return (self.collate_fn(self.dataset[place : place + 4]) for place in range(0, 40, 4))


class Engine:
    """Doubles its inputs in `seconds`, and fails in its `fails_at`th query; `slowest` is what a busy machine made of that."""

    def __init__(self, seconds=SECONDS, fails_at=None, concurrent=False):
        self.seconds, self.fails_at, self.concurrent, self.queries = seconds, fails_at, concurrent, 0
        self.slowest = 0.0

    def __call__(self, inputs):
        self.queries += 1
        if self.fails_at is not None and self.queries >= self.fails_at:
            raise RuntimeError("the device fell off the bus")
        began = time.perf_counter()
        time.sleep(self.seconds)
        self.slowest = max(self.slowest, time.perf_counter() - began)
        return [2 * inputs[0]], 0.0

    def describe(self):
        return {"concurrent": self.concurrent}


def doubled(outputs, batch):
    return sum(output == 2 * number for output, number in zip(outputs[0], batch.inputs[0], strict=True)), batch.items


def workload(tmp_path, *scenarios, clients=(), **loadgen):
    short = {"min_duration_ms": 300, "min_query_count": 1}
    config = SimpleNamespace(
        batch_size=4, warmup=0, clients=clients, case="toy", perf_dir=str(tmp_path), log_dir=str(tmp_path),
        scenarios=("dataset", *scenarios), mlperf_conf=None, user_conf=None,
        loadgen={name: {**short, **loadgen} for name in scenarios},
    )  # fmt: skip
    return Workload(Loader(), lambda sut, batch, config: sut(batch.inputs), doubled, config)


def run(tmp_path, engine, *scenarios, **options):
    return {one.name: one for one in run_scenarios(workload(tmp_path, *scenarios, **options), engine, tmp_path / "loadgen")}


def test_every_scenario_sees_the_latency_that_the_engine_has(tmp_path):
    engine = Engine()
    done = run(tmp_path, engine, *ALL)
    assert list(done) == list(ALL)
    assert {one.accuracy for one in done.values()} == {1.0}
    assert SECONDS * 1e9 <= done["SingleStream"].latency.min_ns < 1.5 * SECONDS * 1e9
    assert 2 * SECONDS * 1e9 <= done["MultiStream"].latency.min_ns < 1.5 * 2 * SECONDS * 1e9  # 8 samples are 2 batches
    assert done["Server"].latency.min_ns >= SECONDS * 1e9
    assert 0.3 * 4 / engine.slowest < done["Offline"].value <= 4 / SECONDS


def test_figures_verdict_and_settings_are_loadgens_own(tmp_path):
    single = run(tmp_path, Engine(), "SingleStream", min_query_count=64)["SingleStream"]
    assert (single.status, single.valid, single.unit, single.mode) == ("OK", True, "ns", "PerformanceOnly")
    assert single.loadgen["Result is"] == "VALID"
    assert single.value >= float(single.loadgen["90.00 percentile latency (ns)"])
    assert single.settings["min_duration_ms"] == {"value": 300, "origin": "loadgen: SingleStream"}
    assert single.samples == single.latency.count >= 64
    logs = tmp_path / single.folder
    assert (logs / "performance" / "mlperf_log_detail.txt").stat().st_size > 0
    assert len((logs / "accuracy" / "mlperf_log_accuracy.json").read_text().split("qsl_idx")) == 41


@pytest.mark.parametrize("name", ALL)
def test_one_client_calls_the_engine_in_the_thread_that_made_it(tmp_path, name):
    threads = set()

    class Watched(Engine):
        def __call__(self, inputs):
            threads.add(threading.get_ident())
            return super().__call__(inputs)

    run(tmp_path, Watched(), name)
    assert threads == {threading.get_ident()}


def test_a_test_that_breaks_loadgens_rules_is_invalid_with_its_reasons(tmp_path):
    done = run(tmp_path, Engine(), "MultiStream")["MultiStream"]
    assert (done.status, done.valid) == ("INVALID", False)
    assert "Need to process at least 662 queries" in done.reasons[0].message


def test_a_server_that_falls_behind_is_ended_early_and_invalid(tmp_path):
    done = run(tmp_path, Engine(), "Server", target_qps=2000, min_duration_ms=60_000)["Server"]
    assert done.status == "INVALID"
    assert done.seconds < 40
    assert "queries behind" in done.reasons[0].message


@pytest.mark.parametrize("name", ALL)
def test_an_engine_that_fails_ends_the_test_soon_with_its_error(tmp_path, name):
    engine = Engine(fails_at=1200)
    engine.seconds = 0.0001
    began = time.monotonic()
    done = run(tmp_path, engine, name, min_duration_ms=20_000)[name]
    assert (engine.queries, time.monotonic() - began < 60) == (1200, True)
    assert (done.status, done.reasons[0].kind) == ("FAILED", "CRASH")
    assert "the device fell off the bus" in done.reasons[0].message


def test_a_scenario_that_fails_does_not_lose_the_others(tmp_path):
    work = workload(tmp_path, "SingleStream", "Offline")
    work.config.loadgen["SingleStream"] = {"target_qsp": 1}
    single, offline = run_scenarios(work, Engine(), tmp_path / "loadgen")
    assert (single.status, single.reasons[0].kind) == ("FAILED", "CONFIG")
    assert (offline.status, offline.accuracy) == ("OK", 1.0)


def test_wrong_outputs_are_seen_in_the_accuracy(tmp_path):
    class Stale(Engine):
        last = np.zeros(1)

        def __call__(self, inputs):
            now, self.last = self.last, 2 * inputs[0]
            return [now], 0.0

    assert run(tmp_path, Stale(), "SingleStream")["SingleStream"].accuracy < 0.2


def test_outputs_that_are_no_numbers_or_written_later_make_a_scenario_invalid(tmp_path):
    class NotANumber(Engine):
        def __call__(self, inputs):
            return [inputs[0] * float("nan")], 0.0

    class Pipelined(Engine):
        due = ()

        def __call__(self, inputs):
            if self.due:
                self.due[0][:] = self.due[1]
            self.due = np.full(len(inputs[0]), -1), 2 * inputs[0]
            return [self.due[0]], 0.0

    for engine, said in ((NotANumber(), "NaN in the outputs of 40 of 40 items"), (Pipelined(), "changed since the query ended")):
        done = run(tmp_path, engine, "SingleStream")["SingleStream"]
        assert (done.status, [said in reason.message for reason in done.reasons]) == ("INVALID", [True])


def test_find_peak_performance_finds_what_the_engine_can_do(tmp_path):
    options = {"mode": "FindPeakPerformance", "target_qps": 10, "min_duration_ms": 200, "target_latency_ns": 100_000_000}
    done = run(tmp_path, Engine(), "Server", server_find_peak_qps_decimals_of_precision=0, **options)["Server"]
    assert (done.mode, done.unit) == ("FindPeakPerformance", "samples/s")
    assert 0.1 / SECONDS < done.value < 1.3 / SECONDS


def test_find_peak_performance_ends_when_the_engine_fails(tmp_path):
    options = {"mode": "FindPeakPerformance", "target_qps": 100, "target_latency_ns": 200_000_000}
    began = time.monotonic()
    done = run(tmp_path, Engine(0.0005, fails_at=800), "Server", **options)["Server"]
    assert done.status == "FAILED"
    assert time.monotonic() - began < 100


def test_a_concurrent_engine_serves_as_many_clients_as_asked_for(tmp_path):
    rate = 1.5 / SECONDS  # more than one client can answer
    options = {"target_qps": rate, "min_duration_ms": 2000, "target_latency_ns": 10**9}
    done = run(tmp_path, Engine(concurrent=True), "Server", clients=(1, 4), **options)["Server"]
    assert done.latency.percentiles[0].latency_ns < 100 * SECONDS * 1e9  # one client alone is half a second behind halfway
    assert 0.3 * rate < done.value


def test_an_engine_that_is_not_concurrent_is_asked_by_one_client_and_says_so(tmp_path):
    done = run(tmp_path, Engine(), "Server", clients=(1, 4))["Server"]
    assert any("took turns" in note for note in done.notes)
    assert "clients" not in {reason.kind for reason in done.reasons}


@pytest.mark.parametrize("name", ALL)
def test_ctrl_c_ends_loadgen_and_goes_through(tmp_path, name):
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, Engine(), name, min_duration_ms=60_000)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert time.monotonic() - began < 40
    again = run(tmp_path, Engine(), name)[name]  # loadgen can be used again
    assert again.accuracy == 1.0


BEGINNING = """
import signal, sys, time
from pathlib import Path
from types import SimpleNamespace
import mlperf_loadgen as lg
from tools import loadgen
from tools.load_samples import Work
from tools.load_sut import QueuedSUT

signal.signal(signal.SIGTERM, signal.default_int_handler)
settings = lg.TestSettings()
settings.mode = lg.TestMode.PerformanceOnly

def run(scenario, sut):
    settings.scenario = scenario
    began = sut.run
    sut.run = lambda test: (print("begins", flush=True), began(test))
    loadgen.run_test(lg, settings, sut, 40, 10, Path(sys.argv[1]))
"""

SLOW_SERVER = """
settings.server_target_qps, settings.min_duration_ms = 1, 600_000
workload = SimpleNamespace(forward=lambda sut, batch, config: None, config=SimpleNamespace(batch_size=1))
samples = SimpleNamespace(load=lambda indices: None, unload=lambda indices: None, batch=lambda indices: None)
try:
    run(lg.TestScenario.Server, QueuedSUT(lg, None, Work(workload, samples)))
except KeyboardInterrupt:
    print("left")
    sys.exit(130)
"""

NEVER_BACK = """
loadgen.GIVE_UP_SECONDS = 0.5
settings.multi_stream_samples_per_query = 0
nothing = dict.fromkeys(("issue", "flush", "load", "unload", "interrupt"), print)
run(lg.TestScenario.MultiStream, SimpleNamespace(run=lambda test: test(), left=False, error=None, **nothing))
"""


@pytest.mark.parametrize(("script", "said"), [(SLOW_SERVER, b"left\n"), (NEVER_BACK, b"")])
def test_a_test_that_loadgen_does_not_end_when_interrupted_is_given_up(tmp_path, script, said):
    command = [sys.executable, "-c", BEGINNING + script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"begins\n"
            time.sleep(1.0)
            process.terminate()
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (rest, process.returncode) == (said, 130)
