"""MLPerf's scenarios over any engine: performance, then accuracy, each scenario for itself, whatever becomes of the others."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Callable, List, Optional, Sequence, Tuple

from loguru import logger

from tools.clients import SERIALISED, is_concurrent
from tools.contract import FAILED, INVALID, OK, TAINTED, Check, Reason, Scenario
from tools.errors import ConfigError
from tools.load_audit import LoadAudit
from tools.load_samples import Judge, Samples, Work
from tools.load_sut import LoadSUT, QueuedSUT
from tools.loadgen import Summary, load_library, metric, read_summary, run_test, traced_latencies
from tools.loadgen_settings import FIND_PEAK, PERFORMANCE, PREFIXES, Pace, Settings, Wishes
from tools.outputs import check_outputs
from tools.statistics import latency
from tools.steps import reason_for
from tools.sut import TimedSUT, foo_doubts
from tools.workload import Workload

MOST_RESIDENT = 1024
MOST_BYTES = 2 << 30
"""How many samples are loaded at once: as MLPerf's image benchmarks do, where the memory holds as many batches of one."""

ACCURACY_SECONDS = 1.0
"""Server's accuracy test is sent in this time, as its schedule says nothing there."""

PROBE_SECONDS, PROBE_CALLS = 0.3, (5, 1000)


Keep = Callable[[Scenario, Optional[Check]], None]


def run_scenarios(
    workload: Workload, engine: Any, folder: Path, keep: Keep = lambda *_: None, audited: bool = False
) -> Tuple[Scenario, ...]:
    """Run each of `config.scenarios` but `dataset` on `engine`; loadgen's logs go to folder/<scenario>/{performance,accuracy}.

    `keep` gets each as soon as it is done and, where they are `audited`, whether its performance test computed what its accuracy
    test did. A scenario that fails is FAILED with its reason; KeyboardInterrupt is raised, when loadgen has ended.
    """
    done: List[Scenario] = []
    for name in workload.config.scenarios:
        if name in PREFIXES:
            logger.info("scenario {} begins", name)
            audit = LoadAudit(name, workload.config.precision) if audited else None
            done.append(_run(name, workload, engine, folder / name, audit))
            logger.info("scenario {} ends: {}", name, done[-1].status)
            keep(done[-1], audit.check() if audit and done[-1].status != FAILED else None)
    return tuple(done)


def _run(name: str, workload: Workload, engine: Any, folder: Path, audit: Optional[LoadAudit]) -> Scenario:
    where = os.path.relpath(str(folder), workload.config.log_dir)
    scenario = Scenario(name, PERFORMANCE, FAILED, folder=where)
    try:
        tests = _Tests(name, workload, engine, folder, audit)
        scenario = tests.performance(scenario)
        return tests.accuracy(scenario)
    except (Exception, SystemExit) as error:  # what a plug-in does in one scenario costs no other its figures
        failure = reason_for("scenario " + name, error)
        logger.opt(exception=error if failure.kind != ConfigError.reason else None).warning("{}", failure.message)
        return replace(scenario, status=FAILED, reasons=(failure, *scenario.reasons))


class _Tests:
    """Both tests of one scenario."""

    def __init__(self, name: str, workload: Workload, engine: Any, folder: Path, audit: Optional[LoadAudit]) -> None:
        if not workload.samples:
            raise ConfigError(
                "scenarios pick single samples: build_dataloader must give a torch DataLoader over an indexed data set"
            )
        self._name, self._workload, self._engine, self._folder, self._audit = name, workload, engine, folder, audit
        self._lg = load_library()
        self._wishes = Wishes(self._lg, name, workload.config)
        asked = max(workload.config.clients or (1,)) if name == "Server" else 1
        self._clients = asked if is_concurrent(engine) else 1
        self._serialised = asked > self._clients
        alone = self._wishes.alone
        self._samples = Samples(
            workload,
            singly=name in ("SingleStream", "Server"),
            together=name in ("MultiStream", "Offline") or alone.server_coalesce_queries,
        )
        self._settings: Optional[Settings] = None

    def performance(self, scenario: Scenario) -> Scenario:
        """Run the performance test, and say what it gave."""
        self._settings = settings = self._wishes.settled(self._probe(), self._clients)
        sut, folder, mode = self._sut(settings.test, None), self._folder / "performance", self._wishes.mode
        traced = self._name == "Server" and mode == PERFORMANCE
        began = time.perf_counter()
        self._start(settings.test, sut, folder, traced)
        seconds = time.perf_counter() - began
        summary = read_summary(folder)
        raw = traced_latencies(folder) if traced else sut.latencies_ns
        value, unit = metric(self._name, summary.lines, self._percentile(settings.test))
        reasons = [*_verdict(summary, settings.test), *sut.late_reasons()]
        doubts = foo_doubts(sut.foo_seconds, "loadgen's figures contain")
        return replace(
            scenario,
            mode=mode,
            status=INVALID if reasons else TAINTED if doubts else OK,
            reasons=(*reasons, *doubts),
            notes=self._notes(),
            value=value,
            unit=unit,
            valid=summary.valid,
            latency=latency(raw) if self._name != "Offline" else None,
            samples=sut.asked,
            seconds=seconds,
            settings=settings.as_report(),
            loadgen=summary.lines,
        )

    def accuracy(self, scenario: Scenario) -> Scenario:
        """Run the accuracy test: each sample once, judged by the case's evaluator, and held to be numbers."""
        assert self._settings is not None
        test, judge = self._settings.test, Judge(self._workload)
        test.mode = self._lg.TestMode.AccuracyOnly
        test.server_target_qps = max(test.server_target_qps, self._workload.samples / ACCURACY_SECONDS)
        self._start(test, self._sut(test, judge), self._folder / "accuracy")
        wrong = judge.reasons()
        status = INVALID if wrong else scenario.status
        return replace(scenario, status=status, reasons=(*scenario.reasons, *wrong), accuracy=judge.accuracy)

    def _sut(self, test: Any, judge: Optional[Judge]) -> LoadSUT:
        witness = None
        if self._audit is not None:
            witness = self._audit.timed if judge is None else self._audit.judged
        work = Work(self._workload, self._samples, judge, witness)
        if self._name != "Server":
            return LoadSUT(self._lg, self._engine, work)
        late = test.server_target_latency_ns / 1e9 if self._wishes.mode == FIND_PEAK else 0.0
        return QueuedSUT(self._lg, self._engine, work, self._clients, late)

    def _start(self, test: Any, sut: LoadSUT, folder: Path, trace: bool = False) -> None:
        run_test(self._lg, test, sut, self._workload.samples, self._resident(), folder, trace)

    def _probe(self) -> Pace:
        """Ask the engine for queries like the scenario's own, unrecorded, which warms it up too."""
        count = {"MultiStream": self._wishes.alone.multi_stream_samples_per_query, "Offline": self._workload.config.batch_size}
        indices = list(range(min(count.get(self._name, 1), self._workload.samples)))
        self._samples.load(indices)
        try:
            seconds = self._timed(indices)
        finally:
            self._samples.unload(indices)
        return Pace(len(indices), len(seconds), min(seconds), median(seconds))

    def _timed(self, indices: Sequence[int]) -> List[float]:
        """The seconds of each of some queries, those of the warm-up not among them."""
        workload, sut, size = self._workload, TimedSUT(self._engine), self._workload.config.batch_size
        seconds: List[float] = []
        least, most = PROBE_CALLS
        warmup = workload.config.warmup
        while len(seconds) < warmup + least or (sum(seconds) < PROBE_SECONDS and len(seconds) < warmup + most):
            began = time.perf_counter()
            for begin in range(0, len(indices), size):
                batch = self._samples.batch(indices[begin : begin + size])
                check_outputs(workload.forward(sut, batch, workload.config), batch)
            seconds.append(time.perf_counter() - began)
        return seconds[warmup:]

    def _resident(self) -> int:
        single = self._workload.batch([0])
        size = sum(_bytes(tensor) for tensor in getattr(single, "inputs", ()))
        fitting = MOST_BYTES // size if size else MOST_RESIDENT
        return int(max(1, min(self._workload.samples, MOST_RESIDENT, fitting)))

    def _percentile(self, test: Any) -> float:
        return float(getattr(test, PREFIXES[self._name] + "target_latency_percentile", 0.0))

    def _notes(self) -> Sequence[str]:
        notes = []
        size = getattr(self._workload.batch([0]), "size", 1)
        if self._name in ("SingleStream", "Server") and size > 1:
            text = "the case fills a query of one sample up to {} samples, as batch_size says; batch_size 1 sends single ones"
            notes.append(text.format(size))
        if self._serialised:
            notes.append(SERIALISED)
        return tuple(notes)


def _verdict(summary: Summary, test: Any) -> List[Reason]:
    """Why loadgen calls the test invalid; none where it is valid."""
    if summary.valid:
        return []
    why = list(summary.reasons)
    if summary.lines.get("Scenario") == "Server" and summary.lines.get("Min duration satisfied") == "NO":
        text = "the engine fell {} queries behind, so that loadgen ended the test early (server_max_async_queries)"
        why.insert(0, text.format(test.server_max_async_queries))
    return [Reason("loadgen", "its verdict is INVALID: " + "; ".join(why))]


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size()) if hasattr(tensor, "element_size") else 0
