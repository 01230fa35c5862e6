"""Runs one command for a connection, and ends it with all its children at its deadline or when whoever asked has gone.

This text travels to the host's own python3 (3.6 or newer, standard library only). Its stdin brings one line of JSON
(argv, cwd, env, timeout, merge, stdin), then `stdin` bytes for the command; after them, the end of stdin means "hang up".
Its stdout and stderr are the command's; both begin with READY, so whatever a login shell prints before can be told apart.
Its exit status is the command's, 128 + N after signal N, or one of those below.
"""

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import IO, Any, Callable, Dict, Iterator, Optional

READY = b"\x1eaccelmark\n"
TIMED_OUT, NOT_RUNNABLE, NOT_FOUND, HUNG_UP = 124, 126, 127, 130
GRACE_SECONDS = 5.0
DAEMON_SECONDS = 0.5
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Ended(Exception):
    """The command must end now; the argument is the exit status to report."""


def main() -> None:
    """Serve the one request on stdin."""
    source = sys.stdin.buffer
    line = source.readline()
    request = json.loads(line.decode()) if line.endswith(b"\n") else {"stdin": 1}
    payload = source.read(request["stdin"])
    if len(payload) < request["stdin"]:
        os._exit(HUNG_UP)
    for stream in (1, 2):
        os.write(stream, READY)
    os._exit(supervise(request, payload))


def supervise(request: Dict[str, Any], payload: bytes) -> int:
    """Run the command to its end, whatever that is, and return the status to report."""
    wake = catch_signals()
    adopt_orphans()
    try:
        child = start(request)
    except OSError as error:
        write_all(1 if request["merge"] else 2, "{}\n".format(error).encode())
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
    try:
        with alarm(max(request["timeout"], 0.001)):
            status, pause = relay(child, payload, wake), DAEMON_SECONDS
    except Ended as ended:
        status, pause = ended.args[0], 0.0
    end_group(child.pid, pause)
    with suppress(Ended):
        pass_on_the_rest(child)
    return status


def catch_signals() -> int:
    """Turn signals into Ended; return a descriptor that is readable after a child's end."""
    wake, alarm = os.pipe()
    for descriptor in (wake, alarm):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGALRM, ending(TIMED_OUT))
    for hangup in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(hangup, ending(HUNG_UP))
    return wake


def ending(status: int) -> Callable[..., None]:
    """A signal handler that ends the command, even in the middle of a write that blocks."""

    def handler(*_: object) -> None:
        raise Ended(status)

    return handler


def adopt_orphans() -> None:
    """Become the parent of the command's orphans, so that their end can be waited for (Linux; elsewhere they are only killed)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(request: Dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start the command in a session of its own. Raises OSError when it, or its folder, is not there."""
    environment = dict(os.environb)
    environment.update((to_bytes(key), to_bytes(value)) for key, value in request["env"].items())
    return subprocess.Popen(
        [to_bytes(word) for word in request["argv"]],
        cwd=to_bytes(request["cwd"]) if request["cwd"] else None,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if request["merge"] else subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def to_bytes(text: str) -> bytes:
    """UTF-8, whatever the host's locale."""
    return text.encode("utf-8", "surrogateescape")


def relay(child: "subprocess.Popen[bytes]", payload: bytes, wake: int) -> int:
    """Pass everything on until the command ends; return its status. Raises Ended at the deadline and on hang-up."""
    with selectors.DefaultSelector() as selector:
        for source, pass_on in ((0, hang_up_at_end), (wake, ignore), (child.stdout, to_stdout), (child.stderr, to_stderr)):
            if source is not None:
                selector.register(source, selectors.EVENT_READ, pass_on)
        feeder = Feeder(child.stdin, payload)
        selector.register(feeder.pipe, selectors.EVENT_WRITE, feeder.write)
        while True:
            status = exit_status(child.pid)
            if status is not None:
                return status
            for key, _ in selector.select():
                if not key.data(key.fd):
                    selector.unregister(key.fileobj)
                    if key.fileobj is feeder.pipe:
                        feeder.pipe.close()


class Feeder:
    """Writes the payload to the command's stdin as fast as the command reads it."""

    def __init__(self, pipe: Optional[IO[bytes]], payload: bytes) -> None:
        assert pipe is not None
        self.pipe = pipe
        self._rest = memoryview(payload)
        os.set_blocking(pipe.fileno(), False)

    def write(self, descriptor: int) -> bool:
        """Write what fits; return whether there is more."""
        try:
            self._rest = self._rest[os.write(descriptor, self._rest) :]
        except BrokenPipeError:
            return False
        return len(self._rest) > 0


def hang_up_at_end(descriptor: int) -> bool:
    """Raise Ended when the asker has gone."""
    if not os.read(descriptor, 4096):
        raise Ended(HUNG_UP)
    return True


def ignore(descriptor: int) -> bool:
    """Take the signal's number off the pipe: waking up was all it was for."""
    os.read(descriptor, 4096)
    return True


def to_stdout(descriptor: int) -> bool:
    """Pass a piece of the command's stdout on; return whether there may be more."""
    return write_all(1, os.read(descriptor, 65536))


def to_stderr(descriptor: int) -> bool:
    """Pass a piece of the command's stderr on; return whether there may be more."""
    return write_all(2, os.read(descriptor, 65536))


def write_all(descriptor: int, data: bytes) -> bool:
    """Write all of `data`; return whether there was any. Raises Ended when nobody reads any more."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError as error:
        raise Ended(HUNG_UP) from error
    return len(data) > 0


def exit_status(pid: int) -> Optional[int]:
    """The status of a child that has ended, as a shell counts it; the child stays a zombie, so its group's number stays taken."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status


def end_group(group: int, pause: float) -> None:
    """End what is left of the command's process group: after the pause TERM, after the grace KILL.

    A daemon leaves the group and stays; the pause is for one that is just about to.
    """
    for number, seconds in ((0, pause), (signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        if seconds and not outlives(group, number, seconds):
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def outlives(group: int, number: int, seconds: float) -> bool:
    """Send a signal to the group, and return whether anything of it is left after `seconds`."""
    try:
        with alarm(seconds):
            os.killpg(group, number)
            while True:
                os.waitid(os.P_PGID, group, os.WEXITED)
    except (ChildProcessError, ProcessLookupError):
        return False
    except (Ended, PermissionError):
        return True


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise Ended(TIMED_OUT) in the block after `seconds`, and never after it."""
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def pass_on_the_rest(child: "subprocess.Popen[bytes]") -> None:
    """Pass on what the ended command left in its pipes; a daemon that holds them open is not waited for."""
    for stream, pass_on in ((child.stdout, to_stdout), (child.stderr, to_stderr)):
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            with suppress(BlockingIOError):
                while pass_on(stream.fileno()):
                    pass


if __name__ == "__main__":
    main()
