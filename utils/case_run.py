"""One case as it goes on one host: prepared, run, collected; or taken up where a killed run.py left it."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import FAILED, RESULT_FILE, Reason, Result, progress_from_line, result_from_json
from tools.errors import AccelmarkError, CaseCrash, CommandError, ConfigError, Interrupted
from utils.connection.trees import sweep
from utils.guest_command import guest_command, guest_folder
from utils.guest_files import hide_secrets, read_text
from utils.monitoring.summaries import monitor_summaries
from utils.monitoring.supervise import monitors
from utils.needs import needs
from utils.ownership import owner_on
from utils.recovery import Left
from utils.report.build import case_report, checked, failed_case
from utils.runtime.base import ending
from utils.runtime.prepare import prepare
from utils.text_log import appending

if TYPE_CHECKING:
    from utils.plan import CasePlan
    from utils.report.schema import CaseReport
    from utils.runtime.base import Place
    from utils.session import Session

DROP_CACHES = "import os; os.sync(); open('/proc/sys/vm/drop_caches', 'w').write('3')"
QUICK_SECONDS = 60.0
CLOCK_STEP_SECONDS, DAY_SECONDS = 2.0, 86400.0
OUTPUT_FILE = "stdout_err.out.log"


@dataclass
class CaseRun:
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
            stack.callback(self._sweep, time.monotonic())
            place = self._place()
            stack.callback(lambda: self.notes.extend(place.notes))
            stack.enter_context(place)
            session.connection.run(["mkdir", "-p", self.remote], timeout=QUICK_SECONDS).check()
            line_seen = self._listener(output)
            self._phase("packages")
            prepare(place, plan, self.case, line_seen, session.cancellation.register)
            session.cancellation.check()
            self._drop_caches()
            self._phase("monitors")
            with monitors(session.connection, plan.code_path, plan.vendor, self.remote, plan.monitor_interval) as supervised:
                try:
                    self._phase("guest")
                    status = place.run(
                        guest_command(plan, self.case, self.remote),
                        timeout=plan.case_timeout,
                        on_line=line_seen,
                        cancelled=session.cancellation.register,
                    )
                finally:
                    self._phase("collecting")
            self.notes += supervised.notes
        session.cancellation.check()
        self._check_end(status)

    def take_up(self, anew: bool) -> bool:
        """Wait for the guest that a killed run.py left, or collect what that left; False where the case is to be run anew."""
        session = self.session
        left = Left(session.connection, session.plan, self.case, session.host, self.remote, self.local)
        guest = None if anew else left.guest(session.patience)
        if anew or (guest is None and not left.has_result()):
            left.clear()
            return False
        self.notes.append("taken up by a resumed run: its guest went on while no run.py looked after it")
        status = 0
        with ExitStack() as stack:
            if left.is_there():
                stack.callback(self._collect)
                stack.callback(self._sweep, time.monotonic() - DAY_SECONDS)
            stack.callback(left.stop_monitors)
            if guest is not None:
                (self.local / OUTPUT_FILE).unlink(missing_ok=True)  # all of it comes again
                line_seen = self._listener(stack.enter_context(self._output()))
                stack.callback(guest.remove, owner_on(session.connection))
                self._phase("guest, taken up")
                status = guest.wait(left.seconds(guest), line_seen, session.cancellation.register)
        session.cancellation.check()
        self._check_end(status)
        return True

    def report(self, error: AccelmarkError | None) -> CaseReport:
        """The case's part of the report from what lies in its folder; `error` is what ended it, if anything did."""
        plan, host = self.session.plan, self.session.host
        hide_secrets(self.local, plan.mask)
        result, problem = self._result()
        vendor, system = monitor_summaries(plan, self.local, result)
        if result is None:
            reason = Reason("CRASH", problem) if error is None else Reason(error.reason, str(error))
            return failed_case(plan, self.case, host, reason, vendor, system, self.notes)
        if error is not None:  # the host knows why it ended the guest; the guest only knows that it was told to
            told = [reason for reason in result.reasons if reason.kind != Interrupted.reason]
            result = dataclasses.replace(result, status=FAILED, reasons=[Reason(error.reason, str(error)), *told])
        return case_report(plan, self.case, host, result, vendor, system, self.notes)

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

    def _output(self) -> AbstractContextManager[Callable[[str], None]]:
        """Where the guest's output goes line by line. Raises CaseCrash when there is no room even for its folder."""
        try:
            self.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaseCrash(
                f"{self.local} cannot be made: {error.strerror}; free some space, or set FLAGPERF_LOG_PATH"
            ) from error
        return appending(self.local / OUTPUT_FILE, self.notes.append)

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
        owner = owner_on(connection)
        return ContainerPlace(connection, plan, self.case, session.host, tag, self.remote, environment, owner, patience)

    def _drop_caches(self) -> None:
        connection = self.session.connection
        if not self.session.plan.clear_caches:
            return
        done = connection.run([connection.python, "-c", DROP_CACHES], timeout=QUICK_SECONDS * 5)
        if done.status != 0:
            why = (done.stderr.strip().splitlines() or ["?"])[-1]
            self.notes.append(f"CLEAR_CACHES: the page cache of {connection.host} was not dropped, that needs root ({why})")

    def _check_end(self, status: int) -> None:
        """A guest that wrote its result speaks for itself; one that died silently is described here."""
        if status == 0:
            return
        ended = ending(status)
        result, _ = self._result()
        if result is None:
            raise CaseCrash("\n  ".join([f"the guest ended with {ended} and left no result; its last lines:", *self.last_lines]))
        if result.status != FAILED and status > 128:
            self.notes.append(f"the guest wrote its result and then ended with {ended}")

    def _sweep(self, began: float) -> None:
        """Leave nothing in the guest's folders that others could stumble over, as the guest has ended."""
        connection = self.session.connection
        age = time.monotonic() - began + CLOCK_STEP_SECONDS
        try:
            self.notes += sweep(connection, {self.remote: 0.0, f"{self.session.plan.code_path}/onnxs": age})
        except CommandError as error:
            self.notes.append(f"{connection.host}: {error}")

    def _collect(self) -> None:
        """Bring the files of another host here and leave none there."""
        connection = self.session.connection
        if self.remote == str(self.local):
            return
        try:
            self.notes += connection.get_tree(self.remote, self.local)
        except CommandError as error:
            self.notes.append(f"nothing could be collected from {connection.host}: {error}")
            return
        try:
            connection.run(["rm", "-rf", self.remote], timeout=QUICK_SECONDS)
        except CommandError as error:
            self.notes.append(f"{self.remote} stays on {connection.host}: {error}")

    def _result(self) -> tuple[Result | None, str]:
        """The guest's result, or None and why there is none."""
        path = self.local / RESULT_FILE
        try:
            return checked(result_from_json(read_text(path))), ""
        except FileNotFoundError:
            return None, "the guest left no result.json"
        except (OSError, ValueError, AccelmarkError) as error:
            return None, f"{path}: {error}"
