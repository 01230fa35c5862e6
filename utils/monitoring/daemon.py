"""A background process known by a pid file: started once, found again, stopped in bounded time. Python 3.8, Linux."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, NoReturn, Optional, Tuple

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
KILL_TIMEOUT = 1.0
NAME = "accelmark-mon"
"""How the kernel calls a daemon's process (15 letters at most, proc(5)), so that no pid file can make another one pass for it."""


def launch(pid_file: Path, prepare: Callable[[], Callable[[], int]]) -> int:
    """Start a daemon and return its pid once it is ready: `prepare` has run in it and its pid file is written.

    What `prepare` returns is then run there; its result is the daemon's exit status. STOP_SIGNALS are blocked in the daemon,
    which has to wait for them (`stop_requested`). Raises OSError when the daemon could not get ready.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _daemon(pid_file, prepare, writer)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, encoding="utf-8") as answers:
        answer = answers.read()
    if not answer.isdigit():
        raise OSError(answer or "the daemon ended at once")
    return int(answer)


def stop_requested(seconds: float) -> bool:
    """Sleep up to `seconds`; return True, at once, when the daemon is asked to stop. No handler, so no race with one."""
    return signal.sigtimedwait(STOP_SIGNALS, seconds) is not None


def live(pid_file: Path) -> Optional[int]:
    """Return the daemon's pid; None where it ended, also when another process has got its number by now.

    A guest can write where the pid file lies: it must not be able to have any other process ended, nor to let us wait.
    """
    try:
        descriptor = os.open(str(pid_file), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            pid, began = stream.read(100).decode("ascii").split()
    except (OSError, ValueError):
        return None
    return int(pid) if pid.isdigit() and _began(int(pid)) == began and _is_daemon(int(pid)) else None


def stop(pid_file: Path, seconds: float) -> bool:
    """End the daemon, if there is one: asked first, killed after `seconds`; return whether it did as it was asked.

    Raises PermissionError when it is someone else's.
    """
    asked = []
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_TIMEOUT)):
        pid = live(pid_file)
        if pid is not None:
            os.kill(pid, number)
            _wait_for_end(pid_file, patience)
            asked.append(number)
    if os.path.lexists(str(pid_file)):
        pid_file.unlink()
    return signal.SIGKILL not in asked


def stop_below(folder: Path, pattern: str, seconds: float, run: str = "", mine: str = "") -> List[str]:
    """Stop the daemons of all pid files in and below a folder, and those that have yet to write theirs; return those that ran,
    without `.pid`, and why one still does.

    In the folders of `run`, only those in a folder called `mine` are meant: the others have just been started.
    """

    def is_meant(place: Path) -> bool:
        return not (run and {run, ".guest-" + run} & set(place.parts) and place.name != mine)

    def starting() -> List[Tuple[int, str]]:
        """Those that were not refused before."""
        found = [(pid, _monitor(file)) for pid, file in _starting(folder, pattern) if is_meant(file.parent)]
        return [(pid, monitor) for pid, monitor in found if outcomes.get(monitor, monitor) == monitor]

    outcomes: Dict[str, str] = {}
    for pid_file in sorted(folder.rglob(pattern)):
        if not is_meant(pid_file.parent):
            continue
        monitor, ran = _monitor(pid_file), live(pid_file) is not None
        try:
            stop(pid_file, seconds)
        except OSError as error:
            outcomes[monitor] = f"{monitor}: not stopped: {error}"
        else:
            outcomes.update({monitor: monitor} if ran else {})
    _stop_starting(starting, seconds, outcomes)
    return list(outcomes.values())


def _monitor(pid_file: Path) -> str:
    return str(pid_file.with_suffix(""))


def _stop_starting(starting: Callable[[], List[Tuple[int, str]]], seconds: float, outcomes: Dict[str, str]) -> None:
    """End what `starting` finds: asked first, killed after `seconds`; add what stop_below returns to the outcomes."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_TIMEOUT)):
        for pid, monitor in starting():
            try:
                os.kill(pid, number)
                outcomes.setdefault(monitor, monitor)
            except ProcessLookupError:
                continue
            except OSError as error:
                outcomes[monitor] = f"{monitor}: not stopped: {error}"
        deadline = time.monotonic() + patience
        while starting() and time.monotonic() < deadline:
            time.sleep(0.02)


def _starting(folder: Path, pattern: str) -> List[Tuple[int, Path]]:
    """The monitors that are on their way to being daemons, or whose pid file was lost, by their command lines: their pids and pid
    files. Those in a container, which have a process namespace of their own, are not meant."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8", errors="surrogateescape").split("\0")
            script = Path(words[words.index("-o") - 1])
            place = Path(words[words.index("-l") + 1])
            is_here = os.readlink(str(process / "ns/pid")) == os.readlink("/proc/self/ns/pid")
            is_started = words[words.index("-o") + 1] in ("start", "restart")
        except (OSError, ValueError, IndexError):
            continue
        pid_file = place / script.with_suffix(".pid").name
        if is_here and is_started and script.suffix == ".py" and pid_file.match(pattern) and folder in (place, *place.parents):
            found.append((int(process.name), pid_file))
    return found


def _daemon(pid_file: Path, prepare: Callable[[], Callable[[], int]], answer: int) -> NoReturn:
    """Be the second fork: a session of its own, none of the caller's files. Answers its pid, or why there is none."""
    os.setsid()
    if os.fork():
        os._exit(0)
    _detach(answer)
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        run = prepare()
        Path("/proc/self/comm").write_text(NAME, encoding="ascii")
        _remember(pid_file)
        os.write(answer, str(os.getpid()).encode())
        os.close(answer)
        answer = -1
        status = run()
    except OSError as error:
        if answer >= 0:
            os.write(answer, str(error).encode())
    finally:
        os._exit(status)


def _detach(keep: int) -> None:
    """Let go of the caller's folder and files (a lock among them would be held, an SSH channel stay open), but for one."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, keep)
    os.closerange(keep + 1, max(keep + 1, 1024))


def _remember(pid_file: Path) -> None:
    temporary = pid_file.with_suffix(".tmp")
    temporary.write_text(f"{os.getpid()} {_began(os.getpid())}\n", encoding="ascii")
    temporary.replace(pid_file)


def _began(pid: int) -> Optional[str]:
    """Return when a process began, in clock ticks since boot; None where there is none, or only its zombie. Source: proc(5)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _is_daemon(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip() == NAME
    except OSError:
        return False


def _wait_for_end(pid_file: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while live(pid_file) is not None and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    sys.stdout.writelines(line + "\n" for line in stop_below(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), *sys.argv[4:6]))
