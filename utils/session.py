"""One host of a run: its cases one after the other; whatever fails is that case's outcome, not an exception."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import Reason
from tools.errors import AccelmarkError, CaseCrash, HostError
from utils.case_run import CaseRun
from utils.connection.patience import Patience
from utils.connection.steady import SteadyConnection
from utils.report.build import failed_case

if TYPE_CHECKING:
    from utils.cancel import Cancellation
    from utils.connection.base import Connection
    from utils.display import Display
    from utils.lock import HostLock
    from utils.plan import CasePlan, HostTarget, RunPlan
    from utils.report.schema import CaseReport

MOST_LOSSES = 2


@dataclass
class Session:
    """One host of a run: its connection, its switch for Ctrl-C, and where its progress is shown."""

    plan: RunPlan
    host: HostTarget
    connection: Connection
    cancellation: Cancellation
    display: Display
    lock: HostLock | None = None
    lacking: Mapping[str, AccelmarkError] = field(default_factory=dict)
    """Why an image that was to be copied is not here, by tag."""
    losses: list[HostError] = field(default_factory=list)
    lost: dict[str, CaseRun] = field(default_factory=dict)
    """The cases in which the host was lost, as long as nobody knows what became of them there."""
    recovered: dict[str, CaseReport] = field(default_factory=dict)
    """What came of lost cases after all."""

    def __post_init__(self) -> None:
        told = partial(self.display.phase, self.host.host)
        on_back = self.lock.renew if self.lock is not None else lambda: None
        self.patience = Patience(self.connection, self.plan.reconnect_seconds, self.cancellation.register, told, on_back)
        self.connection = SteadyConnection(self.connection, self.patience)

    def run_case(self, case: CasePlan, resumed: bool = False, anew: bool = False) -> CaseReport:
        """Run one case and return its part of the report, measured or failed; when `resumed`, go on with what a killed run.py
        left of it, unless it shall be run `anew`."""
        began = time.monotonic()
        work = CaseRun(self, case)
        self.patience.fresh()
        try:
            self._check_not_set_aside()
            self._settle_lost()
            if not (resumed and work.take_up(anew)):
                work.measure()
            report = work.report(None)
        except Exception as failure:
            error = as_outcome(failure)
            logger.error("{} on {}: {}", case.name, self.host.host, error)
            if isinstance(error, HostError):
                self.losses.append(error)
                self.lost[case.name] = work
            report = self._failed(work, self.cancellation.cause(error))
        self.display.end_case(self.host.host, case.name, report.status, time.monotonic() - began)
        return report

    def _failed(self, work: CaseRun, error: AccelmarkError) -> CaseReport:
        """The report of a case that `error` ended; without what the guest left where even looking at that fails."""
        try:
            return work.report(error)
        except Exception as failure:
            unread = f"what the guest left could not be read: {as_outcome(failure)}"
            return failed_case(self.plan, work.case, self.host, Reason(error.reason, str(error)), notes=[*work.notes, unread])

    def _check_not_set_aside(self) -> None:
        """Raises HostError for a host that was lost twice: a third case would only wait as long again."""
        if len(self.losses) >= MOST_LOSSES:
            raise HostError(f"{self.host.host} was set aside, as it was lost twice; at last: {self.losses[MOST_LOSSES - 1]}")

    def settle(self) -> None:
        """Settle what was lost, should the host answer now, so that nothing is left there; never raises an AccelmarkError."""
        if not self.lost:
            return
        self.patience.fresh()
        try:
            self.connection.reach(self.cancellation.register)
            self._settle_lost()
        except AccelmarkError as error:
            logger.warning("{}: what was lost there stays for `--resume` or `clean`: {}", self.host.host, error)

    def _settle_lost(self) -> None:
        """Wait for the guests of lost cases, collect what they finished, and clear away the rest, so that nothing of them runs
        beside what comes. Raises HostError."""
        for name, work in list(self.lost.items()):
            try:
                report = work.report(None) if work.settle() else None
            except HostError:
                raise
            except Exception as failure:
                report = self._failed(work, as_outcome(failure))
            del self.lost[name]
            if report is not None:
                self.recovered[name] = report
                self.display.message(f"{self.host.host}: {name} was taken up again: {report.status}")

    def image_line(self, line: str) -> None:
        """A line of what an image's build, pull or copy says."""
        logger.info("{}: {}", self.host.host, line)
        if line.startswith(("Step ", "Pulling ", "Copying ")):
            self.display.phase(self.host.host, f"image: {line}")


def as_outcome(failure: Exception) -> AccelmarkError:
    """Whatever went wrong as an outcome: no case's failure, not even one that nobody foresaw, costs another case its result."""
    if isinstance(failure, AccelmarkError):
        return failure
    logger.opt(exception=failure).error("not foreseen")
    return CaseCrash(f"{type(failure).__name__}: {failure}; the traceback is in host.out.log")
