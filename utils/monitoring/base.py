"""What every monitor script shares: readings taken on a steady schedule by a daemon and logged as JSON lines.

Standard library only and Python 3.8, for it runs with the host's own python3 (on Linux). A vendor's script is a command and
a pure parser, and ends with

    if __name__ == "__main__":
        sys.exit(main(monitor("nvidia", COMMAND, parse)))

A source that needs no command is `main(Monitor("cpu", read))`, `read` returning a list of DeviceReading.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from utils.monitoring import daemon
from utils.monitoring.readings import UNREADABLE, Parse, complaints_of
from utils.monitoring.readings import DeviceReading as DeviceReading
from utils.monitoring.readings import Read as Read
from utils.monitoring.readings import Readings as Readings
from utils.monitoring.readings import read_rows as read_rows

FORMAT = 1
INTERVAL_VARIABLE = "ACCELMARK_MONITOR_INTERVAL"
INTERVAL, LEAST_INTERVAL, MOST_INTERVAL = 0.5, 0.05, 3600.0
"""Seconds between readings: as they are unless somebody says otherwise, and from what to what that may be; host.yaml's too."""
READING_TIMEOUT = 4.0
"""Seconds a tool may take; less than STOP_TIMEOUT, so that a hanging tool never outlives `stop`."""
STOP_TIMEOUT = 5.0
ERROR_EVERY = 60.0
OK, FAILED, USAGE, STOPPED = 0, 1, 2, 3
FAILURES = (OSError, subprocess.SubprocessError, *UNREADABLE)
"""What a tool, or a parser that meets an unknown text, raises; any other error ends the monitor."""


@dataclass(frozen=True)
class Monitor:
    """A monitor: its name, what takes one reading of all devices, and the program that needs (None where it needs none)."""

    name: str
    read: Read
    tool: Optional[str] = None


def monitor(name: str, command: Sequence[str], parse: Parse) -> Monitor:
    """Return a monitor that runs `command` once per reading and hands what it prints to `parse`."""
    return Monitor(name, lambda: tool_readings(command, parse), command[0])


def tool_readings(command: Sequence[str], parse: Parse, timeout: float = READING_TIMEOUT) -> Sequence[DeviceReading]:
    """Return what one run of a tool reports.

    A status other than 0 is an error unless the output parses all the same: nvidia-smi ends with 14 after complete rows when
    a card's infoROM is damaged. Raises ValueError (tool or parser), OSError, subprocess.TimeoutExpired.
    """
    done = _run(command, timeout)
    try:
        readings = parse(done.stdout)
    except ValueError as error:
        raise ValueError(_complaint(done, str(error))) from error
    if not readings:
        raise ValueError(_complaint(done, "no device reported"))
    return Readings(readings, [f"{command[0]}: {line}" for line in complaints_of(readings)])


def main(source: Monitor, argv: Optional[Sequence[str]] = None) -> int:
    """Carry out FlagPerf's monitor command line and return the exit status: 0 done or running, 1 failed, 2 usage, 3 stopped."""
    parser = argparse.ArgumentParser(description=f"The {source.name} monitor")
    parser.add_argument("-o", "--operation", required=True, choices=("start", "stop", "restart", "status"))
    parser.add_argument("-l", "--log", default="./logs/", help="folder of the log and the pid file")
    parser.add_argument("-v", "--vendor", help="accepted for FlagPerf's sake, not used")
    arguments = parser.parse_args(argv)
    folder = Path(arguments.log).resolve()
    pid_file = folder / f"{source.name}_monitor.pid"
    try:
        if arguments.operation == "status":
            return _status(source.name, pid_file)
        listened = arguments.operation == "start" or daemon.stop(pid_file, STOP_TIMEOUT)
        if arguments.operation == "stop" and not listened:
            return _refuse(source.name, f"it hung and was killed after {STOP_TIMEOUT:g} s; its readings may stop early", FAILED)
        if arguments.operation == "stop":
            return _say(f"the {source.name} monitor is stopped")
        return _start(source, folder, pid_file, _interval())
    except OSError as error:
        return _refuse(source.name, str(error), FAILED)
    except ValueError as error:
        return _refuse(source.name, str(error), USAGE)


class Log:
    """A monitor's log file: a header, then one line per reading or error. A full disk loses lines, never the monitor.

    A reading is `{"time": …, "index": [0, 1], "name": ["A", "A"], "power_watts": [61.5, null]}`: one value per device. By
    quantity it is a third as long as by device, and ten hours of eight devices are read in seconds.
    """

    def __init__(
        self,
        path: Path,
        monitor_name: str,
        interval: float,
        clock: Callable[[], float] = time.time,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._path, self._clock, self._wanted = path, clock, wanted
        # a guest may have left something else there
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        self._file = os.fdopen(os.open(str(path), flags, 0o644), "ab", buffering=0)
        self._torn = path.stat().st_size > 0
        self._errors: Dict[str, float] = {}
        self.failing = False
        self._write({"accelmark_monitor": FORMAT, "monitor": monitor_name, "interval": interval, "started": clock()})

    def alive(self) -> bool:
        """Tell whether the file still has its name: a log that was removed needs no monitor, nor one that nobody could stop."""
        return self._path.exists() and self._wanted()

    def take(self, read: Read) -> None:
        """Take one reading and log it, and what is missing of it, or why there is none."""
        now = self._clock()
        try:
            readings = read()
            self._write({"time": round(now, 3), **_columns(readings)})
            self.failing = False
            for complaint in complaints_of(readings):
                self.write_error(complaint)
        except FAILURES as error:
            self.failing = True
            self.write_error(str(error) or type(error).__name__)

    def write_error(self, message: str) -> None:
        """Log an error; the same one at most once a minute."""
        now, message = self._clock(), message[:500]
        if now - self._errors.get(message, -math.inf) >= ERROR_EVERY:
            self._errors = {text: when for text, when in self._errors.items() if now - when < ERROR_EVERY}
            self._errors[message] = now
            self._write({"time": round(now, 3), "error": message})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, record: Dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        line = b"\n" + line if self._torn else line
        try:
            self._torn = self._file.write(line) != len(line)
        except OSError:
            self._torn = True


def watch(
    read: Read, log: Log, interval: float, wait: Callable[[float], bool], clock: Callable[[], float] = time.monotonic
) -> None:
    """Take readings `interval` seconds apart, without drift, until `wait(seconds)` returns True or the log is gone.

    A reading that takes longer than the interval skips the missed ones. On being stopped a last one is taken, unless the tool
    is failing.
    """
    due, stopped = clock(), False
    while not stopped:
        stopped = wait(max(0.0, due - clock()))
        if not log.alive():
            return
        if not (stopped and log.failing):
            log.take(read)
        due += interval * max(1, math.ceil((clock() - due) / interval))


def _start(source: Monitor, folder: Path, pid_file: Path, interval: float) -> int:
    if source.tool is not None and shutil.which(source.tool) is None:
        remedy = "install it (it comes with the device's driver) or add its folder to PATH"
        return _refuse(source.name, f"'{source.tool}' was not found on this host; {remedy}", FAILED)
    pid = daemon.live(pid_file)
    if pid is not None:
        return _say(f"the {source.name} monitor runs already (pid {pid})")
    folder.mkdir(parents=True, exist_ok=True)

    def prepare() -> Callable[[], int]:
        path = folder / f"{source.name}_monitor.log"
        log = Log(path, source.name, interval, wanted=lambda: daemon.live(pid_file) == os.getpid())
        return lambda: _watch_to_the_end(source, log, interval)

    pid = daemon.launch(pid_file, prepare)
    return _say(f"the {source.name} monitor was started (pid {pid})")


def _watch_to_the_end(source: Monitor, log: Log, interval: float) -> int:
    try:
        watch(source.read, log, interval, daemon.stop_requested)
    except BaseException as error:
        log.write_error(f"the monitor ended: {type(error).__name__}: {error}")
        return FAILED
    log.close()
    return OK


def _status(name: str, pid_file: Path) -> int:
    pid = daemon.live(pid_file)
    _say(f"the {name} monitor " + ("is stopped" if pid is None else f"runs (pid {pid})"))
    return STOPPED if pid is None else OK


def _interval() -> float:
    text = os.environ.get(INTERVAL_VARIABLE, str(INTERVAL))
    with contextlib.suppress(ValueError):
        if LEAST_INTERVAL <= float(text) <= MOST_INTERVAL:
            return float(text)
    raise ValueError(f"{INTERVAL_VARIABLE}={text!r} is not a number of seconds from {LEAST_INTERVAL:g} to {MOST_INTERVAL:g}")


def _run(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a tool in a session of its own, so that what it started is killed with it. Raises OSError, TimeoutExpired."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
        env=dict(os.environ, LC_ALL="C"),
    )
    try:
        output, complaint = process.communicate(timeout=timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a tool stuck in its driver cannot even be killed
            process.communicate(timeout=0.5)
        raise
    return subprocess.CompletedProcess(list(command), process.returncode, output, complaint)


def _complaint(done: subprocess.CompletedProcess[str], problem: str) -> str:
    """Say what is wrong: the parser's words when the tool ended well, else the tool's own last ones."""
    if done.returncode == 0:
        return f"{done.args[0]}: {problem}"
    said = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return f"{done.args[0]}: exit {done.returncode}: {' '.join(said[-3:]) or problem}"


def _columns(readings: Sequence[DeviceReading]) -> Dict[str, List[Any]]:
    """Return what was reported, by quantity: one value per device, None for a device that does not report it."""
    columns = {field.name: [_known(getattr(reading, field.name)) for reading in readings] for field in fields(DeviceReading)}
    return {name: values for name, values in columns.items() if any(value is not None for value in values)}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _say(text: str) -> int:
    sys.stdout.write(text + "\n")
    return OK


def _refuse(name: str, text: str, status: int) -> int:
    sys.stderr.write(f"the {name} monitor: {text}\n")
    return status
