"""Starts a host's monitors around a case and stops them on every path; a monitor that fails is a note, never a failed case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tools.errors import CommandTimeout, HostError
from utils.connection.base import Completed, Connection
from utils.monitoring import daemon
from utils.monitoring.base import INTERVAL_VARIABLE, STOPPED
from utils.monitoring.base import STOP_TIMEOUT as STOP_SECONDS

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0
STOP_ALL_TIMEOUT = 120.0
QUICK_TIMEOUT = 15.0


@dataclass(frozen=True)
class Supervised:
    """What is to be said about a case's monitors; complete once they are stopped."""

    notes: list[str] = field(default_factory=list)


@contextmanager
def monitors(connection: Connection, code_path: str, vendor: str, log_dir: str, interval: float) -> Iterator[Supervised]:
    """Run the system monitor and the vendor's on a host while the context lasts; their logs are in `log_dir` there.

    `code_path` is FLAGPERF_PATH on that host, `interval` the seconds between readings. Raises nothing of its own.
    """
    supervised = Supervised()
    root = PurePosixPath(code_path)
    scripts = {"sys": root / "utils/sys_monitor.py", vendor: root / f"docker_images/{vendor}/{vendor}_monitor.py"}
    with ExitStack() as stack:
        for name, script in scripts.items():
            stack.enter_context(_Monitor(connection, name, str(script), log_dir, supervised.notes).running(interval))
        yield supervised


def stop_all(connection: Connection, results_root: str, *spared: str) -> list[str]:
    """Stop the monitors that runs left behind below `results_root` on a host; return what was stopped, or why not, in words.
    `spared` is what daemon.stop_below calls `run` and `mine`.

    The code that stops them travels with the command, so it works whatever lies on the host. Raises HostError, CommandError.
    """
    argv = [connection.python, "-", results_root, "*_monitor.pid", str(STOP_SECONDS), *spared]
    done = connection.run(argv, timeout=STOP_ALL_TIMEOUT, stdin=Path(daemon.__file__).read_bytes()).check()
    return [f"monitor {line}" for line in done.stdout.splitlines()]


@dataclass(frozen=True)
class _Monitor:
    """One monitor script on one host."""

    connection: Connection
    name: str
    script: str
    log_dir: str
    notes: list[str]

    @contextmanager
    def running(self, interval: float) -> Iterator[None]:
        """Start it now, stop it in the end, and note what went wrong in between."""
        started = True
        try:
            started = self._started(interval)
            yield
        finally:
            if started:
                self._finish()

    def _started(self, interval: float) -> bool:
        done = self._operate("start", START_TIMEOUT, interval)
        if done is None or done.status == 0:
            return True
        if done.status == 2 and self._missing():
            self._note(f"there is none ({self.script} does not exist), so there are no readings")
        else:
            self._note(f"it did not start: {_last_line(done)}")
        return False

    def _finish(self) -> None:
        status = self._operate("status", QUICK_TIMEOUT)
        if status is not None and status.status == STOPPED:  # FlagPerf's monitors always end with 0
            self._note("it ended before the case did; its readings stop early")
        stopped = self._operate("stop", STOP_TIMEOUT)
        if stopped is not None and stopped.status != 0:
            self._note(f"stopping it failed: {_last_line(stopped)}")
        log = f"{self.log_dir}/{self.name}_monitor.log"
        lines = self._run(["grep", "-c", "-v", "accelmark_monitor", log], QUICK_TIMEOUT)
        if lines is not None and lines.status != 0:
            self._note(f"it left no readings in {log}")

    def _operate(self, operation: str, timeout: float, interval: float | None = None) -> Completed | None:
        environment = None if interval is None else {INTERVAL_VARIABLE: str(interval)}
        return self._run([self.connection.python, self.script, "-o", operation, "-l", self.log_dir], timeout, environment)

    def _missing(self) -> bool:
        there = self._run(["test", "-f", self.script], QUICK_TIMEOUT)
        return there is not None and there.status != 0

    def _run(self, argv: Sequence[str], timeout: float, env: dict[str, str] | None = None) -> Completed | None:
        """Run a command; None, and a note, when the host gives no answer."""
        try:
            return self.connection.run(argv, timeout=timeout, env=env)
        except (CommandTimeout, HostError) as error:
            self._note(str(error))
            return None

    def _note(self, text: str) -> None:
        note = f"the {self.name} monitor on {self.connection.host}: {text}"
        if note not in self.notes:
            self.notes.append(note)


def _last_line(done: Completed) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit {done.status}"
