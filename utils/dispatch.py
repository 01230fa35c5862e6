"""A whole run: all hosts at once, each case on each host, one merged report; Ctrl-C ends it with what was finished."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import Reason
from tools.errors import AccelmarkError, HostBusy, HostError, Interrupted
from utils.cancel import BY_THE_USER, Cancellation
from utils.connection import connect
from utils.connection.sync import sync_code
from utils.guest_command import run_folder
from utils.last_look import last_look
from utils.leftovers import clear_processes
from utils.lock import HostLock
from utils.report.build import build_report, failed_case
from utils.runtime.image_exchange import ImageExchange
from utils.session import Session, as_outcome

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.display import Display
    from utils.plan import CasePlan, HostTarget, RunPlan
    from utils.record import Record
    from utils.report.schema import CaseReport, Report

REMOVE_EMPTY = """
import os, sys
for folder, _, _ in os.walk(sys.argv[1], topdown=False):
    try:
        os.rmdir(folder)
    except OSError:
        pass
"""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS = 1.0
"""How often the main thread looks up from waiting: Python's handlers run in it, and a signal that the kernel gave to another
thread does not wake it."""


def run_plan(
    plan: RunPlan,
    display: Display,
    keep: Callable[[Report], None],
    strict: bool = False,
    *,
    record: Record | None = None,
    waits: bool = False,
) -> Report:
    """Run every case on every host and return the report once `keep` has put it away, also after Ctrl-C; a second Ctrl-C ends
    the program at once. `record` is where cases are put away one by one, and has those that need not run again; without one, no
    host is locked. With `waits`, a host that another run uses is waited for.

    Raises HostBusy when other runs have all hosts.
    """
    began = time.monotonic()
    run = _Run(plan, display, record, waits)
    with _stopping(run.cancel):
        with ThreadPoolExecutor(max_workers=len(plan.hosts)) as pool:
            futures = [pool.submit(run.host, host) for host in plan.hosts]
            while wait(futures, timeout=LOOK_SECONDS).not_done:
                pass
            reports = [report for future in futures for report in future.result()]
        order = [case.name for case in plan.cases]
        reports.sort(key=lambda report: (order.index(f"{report.case}:{report.framework}"), report.rank))
        run.check_busy()
        report = run.outcome(run.report(reports, time.monotonic() - began, strict))
        keep(report)
        return run.outcome(report)


@dataclass
class _Run:
    """The hosts of a run, and one switch for each."""

    plan: RunPlan
    display: Display
    record: Record | None = None
    waits: bool = False
    cancellations: dict[str, Cancellation] = field(default_factory=dict)
    busy: list[HostBusy] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.cancellations = {host.host: Cancellation() for host in self.plan.hosts}
        self.exchange = ImageExchange(host.host for host in self.plan.hosts)

    def cancel(self, number: int) -> None:
        """Ctrl-C, or another of STOP_SIGNALS: once, end what goes on and report; twice, now."""
        self.asked += 1
        if self.asked > 1:
            os._exit(Interrupted.exit_code)
        cause = BY_THE_USER if number == signal.SIGINT else f"by {signal.Signals(number).name}"
        what = "interrupted" if number == signal.SIGINT else f"interrupted {cause}"
        self.display.message(f"{what}: ending what goes on; once more ends run.py at once (`run.py clean` then clears up)")
        for cancellation in self.cancellations.values():
            threading.Thread(target=cancellation.cancel, args=(cause,), daemon=True).start()

    def outcome(self, report: Report) -> Report:
        """The report with the exit code of an interrupted run, should it be one, even if nothing was lost by it."""
        if not self.asked:
            return report
        interrupted = report.run.model_copy(update={"exit_code": Interrupted.exit_code})
        return report.model_copy(update={"run": interrupted})

    def host(self, host: HostTarget) -> list[CaseReport]:
        """All cases on one host; a host that cannot be used fails each of them, one that is lost the rest."""
        reports: list[CaseReport] = []
        plan = self.plan.on(host)
        if host.ssh:
            self.display.phase(host.host, "connecting")
        try:
            with connect(host, self.cancellations[host.host].register) as connection, self._locked(connection, host) as lock:
                session = Session(plan, host, connection, self.cancellations[host.host], self.display, lock)
                with last_look(session):
                    self._prepare(session)
                    self._bring_images(session)
                    for number, case in enumerate(plan.cases, 1):
                        self.display.start_case(host.host, case.name, number, len(plan.cases))
                        reports.append(self._kept(case, host) or self._case(session, case))
                        reports = self._with_recovered(session, reports)
                    session.settle()
                    reports = self._with_recovered(session, reports)
                self._leave(session)
        except Exception as failure:
            error = as_outcome(failure)
            logger.error("{}: {}", host.host, error)
            cause = self.cancellations[host.host].cause(error)
            self.display.message(f"{host.host}: {cause}")
            self.busy += [error] if isinstance(error, HostBusy) else []
            reports += [self._kept(case, host) or self._failed(case, host, cause) for case in plan.cases[len(reports) :]]
        finally:
            self.exchange.leave(host)
            self.display.leave(host.host)
        return reports

    def check_busy(self) -> None:
        """Raises HostBusy when other runs have all hosts, so that nothing was done."""
        if len(self.busy) == len(self.plan.hosts):
            raise HostBusy("\n".join(map(str, self.busy)))

    def report(self, cases: Sequence[CaseReport], seconds: float, strict: bool) -> Report:
        """The report of the run, over all its starts should it have been resumed; this one took `seconds`."""
        if self.record is None:
            return build_report(self.plan, cases, time.time() - seconds, seconds, strict=strict)
        first, *resumed = (start.began for start in self.record.recorded.starts)
        return build_report(self.plan, cases, first, self.record.seconds_before + seconds, strict=strict, resumed=resumed)

    def _locked(self, connection: Connection, host: HostTarget) -> AbstractContextManager[HostLock | None]:
        if self.record is None:
            return nullcontext()
        told = partial(self._show_waiting, host)
        return HostLock(connection, self.record.claim(host), self.plan.code_path, self.waits, self.cancellations[host.host], told)

    def _show_waiting(self, host: HostTarget, text: str) -> None:
        self.display.phase(host.host, "another run has it")
        self.display.message(text)

    def _kept(self, case: CasePlan, host: HostTarget) -> CaseReport | None:
        return self.record.kept_case(case, host) if self.record else None

    def _with_recovered(self, session: Session, reports: Sequence[CaseReport]) -> list[CaseReport]:
        """The reports, those of cases that were lost replaced by what came of them after all."""
        found = [session.recovered.pop(f"{report.case}:{report.framework}", None) for report in reports]
        for recovered in filter(None, found):
            if self.record is not None:
                self.record.keep(recovered)
        return [recovered or report for recovered, report in zip(found, reports, strict=True)]

    def _case(self, session: Session, case: CasePlan) -> CaseReport:
        try:
            session.cancellation.check()
            if session.lock is not None:
                session.lock.ensure()
        except (Interrupted, HostBusy) as error:
            return self._failed(case, session.host, error)
        except HostError as error:  # a host that is away is the case's to wait for
            logger.warning("{}: without its lock for now: {}", session.host.host, error)
        if self.record is None:
            return session.run_case(case)
        report = session.run_case(case, self.record.resumed, anew=self.record.forget(case, session.host))
        self.record.keep(report)
        return report

    def _failed(self, case: CasePlan, host: HostTarget, error: AccelmarkError) -> CaseReport:
        return failed_case(self.plan, case, host, Reason(error.reason, str(error)))

    def _prepare(self, session: Session) -> None:
        """Clear what a killed run left, and bring the code."""
        connection, host = session.connection, session.host.host
        if self.record is not None:  # the host is ours; the container of a run that is resumed keeps its monitors
            spares_monitors = self.record.resumed and self.plan.runtime == "docker"
            clear_processes(connection, self.plan, session.host, spares_monitors)
        self.display.phase(host, "code")
        copied = sync_code(connection, self.plan.checkout, self.plan.code_path, cancelled=session.cancellation.register)
        session.cancellation.check()
        if copied:
            logger.info("{}: {} files copied to {}", host, copied, self.plan.code_path)
        if self.plan.runtime == "docker":
            from utils.runtime.clean import reap  # noqa: PLC0415 - a run without Docker needs no SDK

            for line in session.patience.again("containers of killed runs", lambda: reap(connection, self.plan.run_id)):
                logger.warning("{}: left by a killed run: {}", host, line)

    def _bring_images(self, session: Session) -> None:
        """Under IMAGE_SOURCE copy, have all images on all hosts before anything is measured."""
        if session.plan.runtime == "docker" and any(case.image.source == "copy" for case in session.plan.cases):
            from utils.runtime.image_copy import provide_images  # noqa: PLC0415

            self.display.phase(session.host.host, "images")
            wanted = (session.plan, session.host, session.connection, session.patience, session.cancellation, session.image_line)
            session.lacking = provide_images(self.exchange, *wanted)
        self.exchange.leave(session.host)

    def _leave(self, session: Session) -> None:
        """Remove the run's folder on the host, but for what could not be collected."""
        if not session.connection.is_local:
            folder = run_folder(self.plan, is_local=False)
            session.connection.run([session.connection.python, "-c", REMOVE_EMPTY, folder], timeout=60)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until run_plan takes them, or until the end of this."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


@contextmanager
def _stopping(cancel: Callable[[int], None]) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP cancel, those too that were held back; the main thread goes on waiting for what is being
    ended. What is ignored, as SIGHUP under nohup, stays so."""
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: cancel(number)) for number in heard}
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
