"""One case on one host, from its image to its part of the report; whatever fails is that case's outcome, not an exception."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import FAILED, RESULT_FILE, Reason, Result, progress_from_line, result_from_json
from tools.errors import AccelmarkError, CaseCrash, CommandError, ConfigError, Interrupted
from utils.monitoring.log import summarise
from utils.monitoring.supervise import monitors
from utils.needs import needs
from utils.ownership import owner_on
from utils.report.build import case_report, checked, failed_case
from utils.report.metrics import measured_window
from utils.runtime.prepare import prepare
from utils.text_log import appending

if TYPE_CHECKING:
    from utils.cancel import Cancellation
    from utils.connection.base import Connection
    from utils.display import Display
    from utils.monitoring.model import MonitorSummary
    from utils.plan import CasePlan, HostTarget, RunPlan
    from utils.report.schema import CaseReport
    from utils.runtime.base import Place

DROP_CACHES = "import os; os.sync(); open('/proc/sys/vm/drop_caches', 'w').write('3')"
QUICK_SECONDS = 60.0


@dataclass
class Session:
    """One host of a run: its connection, its switch for Ctrl-C, and where its progress is shown."""

    plan: RunPlan
    host: HostTarget
    connection: Connection
    cancellation: Cancellation
    display: Display

    def run_case(self, case: CasePlan) -> CaseReport:
        """Run one case and return its part of the report, measured or failed."""
        began = time.monotonic()
        work = _Case(self, case)
        try:
            work.measure()
            report = work.report(None)
        except Exception as failure:
            error = as_outcome(failure)
            logger.error("{} on {}: {}", case.name, self.host.host, error)
            report = work.report(self.cancellation.cause(error))
        self.display.end_case(self.host.host, case.name, report.status, time.monotonic() - began)
        return report


@dataclass
class _Case:
    """What one case leaves while it goes: notes, last lines, files."""

    session: Session
    case: CasePlan
    notes: list[str] = field(default_factory=list)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=5))

    def __post_init__(self) -> None:
        plan, host = self.session.plan, self.session.host
        folder = f"{self.case.name}/{host.host}_noderank{host.rank}"
        self.local = plan.results / plan.run_id / folder
        self.remote = str(self.local) if self.session.connection.is_local else f"{guest_folder(plan)}/{folder}"

    def measure(self) -> None:
        """Prepare, run and collect. Raises AccelmarkError for what went wrong; what the guest wrote is collected even then."""
        session, plan = self.session, self.session.plan
        self._require()
        with ExitStack() as stack:
            output = stack.enter_context(self._output())
            stack.callback(self._collect)
            place = stack.enter_context(self._place())
            session.connection.run(["mkdir", "-p", self.remote], timeout=QUICK_SECONDS).check()

            def line_seen(line: str) -> None:
                progress = progress_from_line(line)
                if progress is not None:
                    session.display.progress(session.host.host, progress)
                    return
                self.last_lines.append(line)
                output(line)

            self._phase("packages")
            prepare(place, plan, self.case, line_seen, session.cancellation.register)
            session.cancellation.check()
            self._drop_caches()
            self._phase("monitors")
            with monitors(session.connection, plan.code_path, plan.vendor, self.remote, plan.monitor_interval) as supervised:
                try:
                    self._phase("guest")
                    status = place.run(
                        self._command(), timeout=plan.case_timeout, on_line=line_seen, cancelled=session.cancellation.register
                    )
                finally:
                    self._phase("collecting")
            self.notes += supervised.notes
        session.cancellation.check()
        self._check_end(status)

    def report(self, error: AccelmarkError | None) -> CaseReport:
        """The case's part of the report from what lies in its folder; `error` is what ended it, if anything did."""
        plan, host = self.session.plan, self.session.host
        result, problem = self._result()
        vendor, system = self._monitor_summaries(result)
        if result is None:
            reason = Reason("CRASH", problem) if error is None else Reason(error.reason, str(error))
            return failed_case(plan, self.case, host, reason, vendor, system, self.notes)
        if error is not None:  # the host knows why it ended the guest; the guest only knows that it was told to
            told = [reason for reason in result.reasons if reason.kind != Interrupted.reason]
            result = dataclasses.replace(result, status=FAILED, reasons=[Reason(error.reason, str(error)), *told])
        return case_report(plan, self.case, host, result, vendor, system, self.notes)

    def _phase(self, text: str) -> None:
        self.session.cancellation.check()
        logger.info("{} on {}: {}", self.case.name, self.session.host.host, text)
        self.session.display.phase(self.session.host.host, text)

    def _output(self) -> AbstractContextManager[Callable[[str], None]]:
        """Where the guest's output goes line by line. Raises CaseCrash when there is no room even for its folder."""
        try:
            self.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaseCrash(
                f"{self.local} cannot be made: {error.strerror}; free some space, or set FLAGPERF_LOG_PATH"
            ) from error
        return appending(self.local / "stdout_err.out.log", self.notes.append)

    def _require(self) -> None:
        """Raises ConfigError where something is missing that the plan names, before an image is built for it."""
        connection = self.session.connection
        for need in needs(self.session.plan, self.case):
            test = ["test", "-d" if need.is_folder else "-r", need.path]
            if connection.run(test, timeout=QUICK_SECONDS).status != 0:
                raise ConfigError(f"{connection.host}: {need.complaint}")

    def _place(self) -> Place:
        session, plan = self.session, self.session.plan
        environment = {"RANK": str(session.host.rank)}
        if plan.runtime == "process":
            from utils.runtime.process import ProcessPlace  # noqa: PLC0415 - only what this run needs is imported

            return ProcessPlace(session.connection, plan, environment)
        from utils.runtime.container import ContainerPlace  # noqa: PLC0415
        from utils.runtime.image import ensure_image  # noqa: PLC0415
        from utils.runtime.options import parse_options  # noqa: PLC0415

        self._phase("image")
        network = parse_options(plan.container_options, plan.shm_size).get("network_mode")
        tag = ensure_image(
            session.connection, self.case.image, plan.pip_source, network, self._build_line, session.cancellation.register
        )
        self._phase("container")
        return ContainerPlace(
            session.connection, plan, self.case, session.host, tag, self.remote, environment, owner_on(session.connection)
        )

    def _build_line(self, line: str) -> None:
        logger.info("{}: {}", self.session.host.host, line)
        if line.startswith(("Step ", "Pulling ")):
            self.session.display.phase(self.session.host.host, f"image: {line}")

    def _drop_caches(self) -> None:
        connection = self.session.connection
        if not self.session.plan.clear_caches:
            return
        done = connection.run([connection.python, "-c", DROP_CACHES], timeout=QUICK_SECONDS * 5)
        if done.status != 0:
            why = (done.stderr.strip().splitlines() or ["?"])[-1]
            self.notes.append(f"CLEAR_CACHES: the page cache of {connection.host} was not dropped, that needs root ({why})")

    def _command(self) -> list[str]:
        plan, case = self.session.plan, self.case
        options = {
            "--perf_dir": plan.code_path,
            "--data_dir": case.data,
            "--log_dir": self.remote,
            "--loglevel": plan.log_level,
            "--case": case.case,
            "--vendor": case.vendor,
            "--framework": case.framework,
        }
        words = [word for pair in options.items() for word in pair]
        settings = [word for setting in case.settings for word in ("--set", setting)]
        calls = ["--log_calls"] if plan.log_calls else []
        return ["python3", "run_inference.py", *words, "--progress", *calls, *settings]

    def _check_end(self, status: int) -> None:
        """A guest that wrote its result speaks for itself; one that died silently is described here."""
        if status == 0:
            return
        ended = f"signal {status - 128}" if status > 128 else f"exit status {status}"
        result, _ = self._result()
        if result is None:
            raise CaseCrash("\n  ".join([f"the guest ended with {ended} and left no result; its last lines:", *self.last_lines]))
        if result.status != FAILED and status > 128:
            self.notes.append(f"the guest wrote its result and then ended with {ended}")

    def _collect(self) -> None:
        """Bring the files of another host here and leave none there."""
        connection = self.session.connection
        if self.remote == str(self.local):
            return
        try:
            connection.get_tree(self.remote, self.local)
            connection.run(["rm", "-rf", self.remote], timeout=QUICK_SECONDS)
        except CommandError as error:
            self.notes.append(f"nothing could be collected from {connection.host}: {error}")

    def _result(self) -> tuple[Result | None, str]:
        """The guest's result, or None and why there is none."""
        path = self.local / RESULT_FILE
        try:
            return checked(result_from_json(path.read_text(encoding="utf-8"))), ""
        except FileNotFoundError:
            return None, "the guest left no result.json"
        except (OSError, ValueError, AccelmarkError) as error:
            return None, f"{path}: {error}"

    def _monitor_summaries(self, result: Result | None) -> tuple[MonitorSummary | None, MonitorSummary | None]:
        plan = self.session.plan
        window = measured_window(result) if result is not None else None
        vendor_folder = plan.checkout / "docker_images" / plan.vendor
        vendor = _summary(vendor_folder, plan.vendor, self.local, window)
        return vendor, _summary(plan.checkout / "utils", "sys", self.local, window)


def _summary(folder: Path, name: str, log_dir: Path, window: tuple[float, float] | None) -> MonitorSummary | None:
    """What a monitor saw while it was measured; of the whole case where that was too short for a reading."""
    log = log_dir / f"{name}_monitor.log"
    if not log.is_file():
        return None
    measured = summarise(folder, name, log, *window) if window else None
    return measured if measured and measured.readings else summarise(folder, name, log)


def as_outcome(failure: Exception) -> AccelmarkError:
    """Whatever went wrong as an outcome: no case's failure, not even one that nobody foresaw, costs another case its result."""
    if isinstance(failure, AccelmarkError):
        return failure
    logger.opt(exception=failure).error("not foreseen")
    return CaseCrash(f"{type(failure).__name__}: {failure}; the traceback is in host.out.log")


def guest_folder(plan: RunPlan) -> str:
    """Where a run's files lie on another host until they are collected; never where they lie here, should that be one disk."""
    root = plan.log_path if plan.log_path.startswith("/") else f"{plan.code_path}/{plan.log_path}"
    return f"{root}/.guest-{plan.run_id}"
