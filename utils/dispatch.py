"""A whole run: all hosts at once, each case on each host, one merged report; Ctrl-C ends it with what was finished."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import Reason
from tools.errors import AccelmarkError, Interrupted
from utils.cancel import Cancellation
from utils.connection import connect
from utils.connection.sync import sync_code
from utils.report.build import build_report, failed_case
from utils.session import Session, as_outcome, guest_folder

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.display import Display
    from utils.plan import CasePlan, HostTarget, RunPlan
    from utils.report.schema import CaseReport, Report

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_plan(plan: RunPlan, display: Display, keep: Callable[[Report], None], strict: bool = False) -> Report:
    """Run every case on every host and return the report once `keep` has put it away, also after Ctrl-C; a second Ctrl-C ends
    the program at once."""
    started, began = time.time(), time.monotonic()
    run = _Run(plan, display)
    with _stopping(run.cancel):
        with ThreadPoolExecutor(max_workers=len(plan.hosts)) as pool:
            futures = [pool.submit(run.host, host) for host in plan.hosts]
            reports = [report for future in futures for report in future.result()]
        order = [case.name for case in plan.cases]
        reports.sort(key=lambda report: (order.index(f"{report.case}:{report.framework}"), report.rank))
        report = run.outcome(build_report(plan, reports, started, time.monotonic() - began, strict=strict))
        keep(report)
        return run.outcome(report)


@dataclass
class _Run:
    """The hosts of a run, and one switch for each."""

    plan: RunPlan
    display: Display
    cancellations: dict[str, Cancellation] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.cancellations = {host.host: Cancellation() for host in self.plan.hosts}

    def cancel(self) -> None:
        """Ctrl-C: once, end what goes on and report; twice, now."""
        self.asked += 1
        if self.asked > 1:
            os._exit(Interrupted.exit_code)
        self.display.message("interrupted: ending what goes on; once more ends run.py at once (`run.py clean` then clears up)")
        for cancellation in self.cancellations.values():
            threading.Thread(target=cancellation.cancel, daemon=True).start()

    def outcome(self, report: Report) -> Report:
        """The report with the exit code of an interrupted run, should it be one, even if nothing was lost by it."""
        if not self.asked:
            return report
        interrupted = report.run.model_copy(update={"exit_code": Interrupted.exit_code})
        return report.model_copy(update={"run": interrupted})

    def host(self, host: HostTarget) -> list[CaseReport]:
        """All cases on one host; a host that cannot be used fails each of them, one that is lost the rest."""
        reports: list[CaseReport] = []
        if host.ssh:
            self.display.phase(host.host, "connecting")
        try:
            with connect(host, self.cancellations[host.host].register) as connection:
                self._prepare(connection, host)
                session = Session(self.plan, host, connection, self.cancellations[host.host], self.display)
                for number, case in enumerate(self.plan.cases, 1):
                    self.display.start_case(host.host, case.name, number, len(self.plan.cases))
                    reports.append(self._case(session, case))
                self._leave(connection)
        except Exception as failure:
            error = as_outcome(failure)
            logger.error("{}: {}", host.host, error)
            cause = self.cancellations[host.host].cause(error)
            self.display.message(f"{host.host}: {cause}")
            reports += [self._failed(case, host, cause) for case in self.plan.cases[len(reports) :]]
        return reports

    def _case(self, session: Session, case: CasePlan) -> CaseReport:
        try:
            session.cancellation.check()
        except Interrupted as error:
            return self._failed(case, session.host, error)
        return session.run_case(case)

    def _failed(self, case: CasePlan, host: HostTarget, error: AccelmarkError) -> CaseReport:
        return failed_case(self.plan, case, host, Reason(error.reason, str(error)))

    def _prepare(self, connection: Connection, host: HostTarget) -> None:
        """Bring the code, and clear what a killed run left."""
        self.display.phase(host.host, "code")
        cancellation = self.cancellations[host.host]
        copied = sync_code(connection, self.plan.checkout, self.plan.code_path, cancelled=cancellation.register)
        cancellation.check()
        if copied:
            logger.info("{}: {} files copied to {}", host.host, copied, self.plan.code_path)
        if self.plan.runtime == "docker":
            from utils.runtime.clean import reap  # noqa: PLC0415 - a run without Docker needs no SDK

            for line in reap(connection, self.plan.run_id):
                logger.warning("{}: left by a killed run and removed: {}", host.host, line)

    def _leave(self, connection: Connection) -> None:
        if not connection.is_local:
            connection.run(["rm", "-rf", guest_folder(self.plan)], timeout=60)


@contextmanager
def _stopping(cancel: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP cancel; the main thread goes on waiting for what is being ended."""
    before = {number: signal.signal(number, lambda *_: cancel()) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
