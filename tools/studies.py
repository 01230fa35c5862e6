"""What is asked of an engine beside the case's own pass: MLPerf's scenarios, an audit, a profile, and the sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from loguru import logger

from tools.audit import audit
from tools.config_keys import by_loadgen
from tools.contract import Check, Reason, Scenario, SweepPoint
from tools.findings import Findings
from tools.judge import judged
from tools.measure import Measurement
from tools.profiling import profile_engine
from tools.scenarios import run_scenarios
from tools.sut import TimedSUT
from tools.sweep import Subject, sweep
from tools.workload import Workload

LIMITS_OF_OTHERS = "scenarios, audit and profile need a case that measures with tools.measure; this one has a loop of its own"


def asked(config: Any) -> bool:
    """Whether anything but the case's own pass is asked for."""
    return bool(by_loadgen(config.scenarios) or config.audit or config.profile or config.batch_sizes or config.clients)


def run_studies(
    subject: Subject, engine: Any, measured: Measurement, findings: Findings, folder: Path, keep: Callable[[], None]
) -> None:
    """Fill `findings` with what the config asks for, one by one, and call `keep` after each: the next may end the process."""
    config = subject.config
    if measured.workload is not None:
        _on_workload(engine, measured.workload, findings, folder, keep)
    elif by_loadgen(config.scenarios) or config.audit or config.profile:
        findings.doubts += (Reason("not measured", LIMITS_OF_OTHERS),)
    if config.batch_sizes or config.clients:

        def add(points: Sequence[SweepPoint]) -> None:
            findings.sweep = tuple(points)
            keep()

        sweep(subject, engine, measured, add)


def _on_workload(engine: Any, workload: Workload, findings: Findings, folder: Path, keep: Callable[[], None]) -> None:
    config = workload.config
    validation = findings.validation.phase.accuracy if findings.validation else None

    def add(scenario: Scenario, check: Optional[Check]) -> None:
        findings.scenarios += (judged(scenario, config.accuracy_target, validation),)
        findings.audit += (check,) if check else ()
        keep()

    if by_loadgen(config.scenarios):
        logger.info("scenarios: {}", ", ".join(by_loadgen(config.scenarios)))
        run_scenarios(workload, engine, folder, add, config.audit)
    if config.audit:
        logger.info("audit")
        findings.audit += audit(engine, workload)
        keep()
    if config.profile:
        logger.info("profile")
        batch = next(iter(workload.dataloader))
        made = profile_engine(engine, lambda: workload.forward(TimedSUT(engine), batch, config), folder)
        findings.profiles += (made,) if made else ()
