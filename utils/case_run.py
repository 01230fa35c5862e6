"""One case as it goes on one host: prepared, run, collected; or taken up where a killed run.py left it."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import FAILED, Reason, progress_from_line
from tools.errors import AccelmarkError, CaseCrash, ConfigError, Interrupted
from utils.case_files import OUTPUT_FILE, CaseFiles
from utils.connection.base import QUICK_SECONDS
from utils.guest_command import guest_command
from utils.guest_files import make_presentable
from utils.guest_result import check_config, read_result
from utils.monitoring.summaries import monitor_summaries
from utils.monitoring.supervise import monitors
from utils.needs import needs
from utils.ownership import owner_on
from utils.recovery import Left
from utils.report.build import case_report, failed_case
from utils.runtime.base import ending
from utils.runtime.prepare import prepare

if TYPE_CHECKING:
    from utils.plan import CasePlan
    from utils.report.schema import CaseReport
    from utils.runtime.base import Place
    from utils.session import Session

DROP_CACHES = "import os; os.sync(); os.write(os.open('/proc/sys/vm/drop_caches', os.O_WRONLY), b'3')"
DAY_SECONDS = 86400.0


@dataclass
class CaseRun:
    """What one case leaves while it goes: notes, last lines, files."""

    session: Session
    case: CasePlan
    notes: list[str] = field(default_factory=list)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    status: int = 0
    """The guest's exit status."""

    def __post_init__(self) -> None:
        session = self.session
        self.files = CaseFiles(session.connection, session.plan, self.case, session.host)

    def measure(self) -> None:
        """Prepare, run and collect. Raises AccelmarkError for what went wrong; what the guest wrote is collected even then."""
        session, plan, files = self.session, self.session.plan, self.files
        self._require()
        began = time.monotonic()
        with ExitStack() as stack:
            output = stack.enter_context(files.output(self.notes.append))
            stack.callback(self._note, files.collect)
            stack.callback(self._note, lambda: files.disarm(time.monotonic() - began))
            place = self._place()
            stack.callback(lambda: self.notes.extend(place.notes))
            stack.enter_context(place)
            config = files.put_config()
            line_seen = self._listener(output)
            self._phase("packages")
            prepare(place, plan, self.case, line_seen, session.cancellation.register)
            session.cancellation.check()
            self._drop_caches()
            self._phase("monitors")
            with monitors(session.connection, plan.code_path, plan.vendor, files.remote, plan.monitor_interval) as supervised:
                try:
                    self._phase("guest")
                    self.status = place.run(
                        guest_command(plan, self.case, files.remote, config),
                        timeout=plan.case_timeout,
                        on_line=line_seen,
                        cancelled=session.cancellation.register,
                    )
                finally:
                    self._phase("collecting")
            self.notes += supervised.notes
        session.cancellation.check()

    def take_up(self, anew: bool) -> bool:
        """Wait for the guest that a killed run.py, or a lost link, left, or collect what that left; False where there is nothing,
        and all rests were cleared away."""
        session, files = self.session, self.files
        left = Left(files)
        guest = None if anew else session.patience.again("its container", lambda: left.guest(session.patience))
        if anew or (guest is None and not left.has_result()):
            left.clear(session.patience)
            return False
        self.notes.append("taken up later: its guest went on while no run.py looked after it")
        with ExitStack() as stack:
            self._take_over(stack, left)
            if guest is not None:
                (files.local / OUTPUT_FILE).unlink(missing_ok=True)  # all of it comes again
                line_seen = self._listener(stack.enter_context(files.output(self.notes.append)))
                stack.callback(guest.remove, owner_on(session.connection))
                self._phase("guest, taken up")
                self.status = guest.wait(left.seconds(guest), line_seen, session.cancellation.register)
        session.cancellation.check()
        return True

    def settle(self) -> bool:
        """As take_up, for a case in which this very run lost the host. Raises CaseCrash where somebody has removed the container
        since; what the guest wrote is collected."""
        left, patience = Left(self.files), self.session.patience
        if not patience.again("its container", left.was_removed):
            return self.take_up(anew=False)
        left.reclaim(patience)
        with ExitStack() as stack:
            self._take_over(stack, left)
            where = f"{self.case.name} on {self.files.connection.host}"
            raise CaseCrash(f"{where}: its container was removed from outside while the host was lost")

    def report(self, error: AccelmarkError | None) -> CaseReport:
        """The case's part of the report from what lies in its folder; `error` is what ended it, if anything did."""
        plan, host = self.session.plan, self.session.host
        make_presentable(self.files.local, plan.mask)
        result, problem = read_result(self.files.local)
        vendor, system = monitor_summaries(plan, self.files.local, result)
        if result is None:
            error = error or self._silent(problem)
            return failed_case(plan, self.case, host, Reason(error.reason, str(error)), vendor, system, self.notes)
        try:
            check_config(result, self.case, plan.mask)
        except ConfigError as differs:
            error = error or differs
        if error is None and Interrupted.reason in {reason.kind for reason in result.reasons}:
            error = CaseCrash(
                f"the guest was told to end, but not by run.py ({ending(self.status)}); what stops processes there?"
            )
        if error is not None:  # the host knows why it ended the guest; the guest only knows that it was told to
            told = [reason for reason in result.reasons if reason.kind != Interrupted.reason]
            result = dataclasses.replace(result, status=FAILED, reasons=[Reason(error.reason, str(error)), *told])
        elif result.status != FAILED and self.status > 128:
            self.notes.append(f"the guest wrote its result and then ended with {ending(self.status)}")
        return case_report(plan, self.case, host, result, vendor, system, self.notes)

    def _take_over(self, stack: ExitStack, left: Left) -> None:
        """End what goes on beside the guest and collect its files, once the stack is closed."""
        began = time.monotonic() - DAY_SECONDS
        if left.is_there():
            stack.callback(self._note, self.files.collect)
            stack.callback(self._note, lambda: self.files.disarm(time.monotonic() - began))
        stack.callback(left.end, self.session.patience)

    def _listener(self, output: Callable[[str], None]) -> Callable[[str], None]:
        """What hears each line of the guest's: progress is shown, the rest goes to `output`."""
        mask = self.session.plan.mask

        def line_seen(line: str) -> None:
            progress = progress_from_line(line)
            if progress is not None:
                self.session.display.progress(self.session.host.host, progress)
                return
            line = mask(line)
            self.last_lines.append(line)
            output(line)

        return line_seen

    def _phase(self, text: str) -> None:
        self.session.cancellation.check()
        logger.info("{} on {}: {}", self.case.name, self.session.host.host, text)
        self.session.display.phase(self.session.host.host, text)

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
        from utils.runtime.image_context import image_tag  # noqa: PLC0415
        from utils.runtime.options import network_mode  # noqa: PLC0415

        self._phase("image")
        if (why := session.lacking.get(image_tag(self.case.image))) is not None:
            raise why
        network = network_mode(plan.container_options, plan.shm_size)
        connection, patience, register = session.connection, session.patience, session.cancellation.register
        tag = patience.again(
            "image", lambda: ensure_image(connection, self.case.image, plan.pip_source, network, session.image_line, register)
        )
        self._phase("container")
        owner, log_dir = owner_on(connection), self.files.remote
        return ContainerPlace(connection, plan, self.case, session.host, tag, log_dir, patience, environment, owner)

    def _drop_caches(self) -> None:
        connection = self.session.connection
        if not self.session.plan.clear_caches:
            return
        done = connection.run([connection.python, "-c", DROP_CACHES], timeout=QUICK_SECONDS * 5)
        if done.status != 0:
            why = (done.stderr.strip().splitlines() or ["?"])[-1]
            self.notes.append(f"CLEAR_CACHES: the page cache of {connection.host} was not dropped, that needs root ({why})")

    def _silent(self, problem: str) -> CaseCrash:
        """How a guest ended that left no result, which is a `problem`."""
        head = f"the guest ended with {ending(self.status)} and left no result; its last lines:"
        crash = CaseCrash("\n  ".join([head, *self.last_lines]) if self.status else problem)
        logger.error("{} on {}: {}", self.case.name, self.session.host.host, crash)
        return crash

    def _note(self, step: Callable[[], list[str]]) -> None:
        self.notes += step()
