"""One command in a running container: its output as lines, its deadline, its cancellation and how it ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic, sleep

from docker import APIClient
from docker.errors import APIError
from docker.types import CancellableStream
from loguru import logger
from requests.exceptions import RequestException

from tools.errors import AccelmarkError, CaseCrash, CaseTimeout, OutOfMemory
from utils.runtime.base import Cancel, OnLine
from utils.runtime.engine import explanation, lines_of
from utils.runtime.limits import ended_by_memory, memory_limit

KILLED = 137
"""128 + SIGKILL, the status of what was ended from outside."""

NOTICE_SECONDS = 2.0
"""A container's commands die before the engine says that the container has; so long may lie between."""


class Execution:
    """Runs one command. To end it early the whole container is killed: nothing of the command outlives that."""

    def __init__(self, api: APIClient, container: str, title: str):
        self._api, self._container, self._title = api, container, title
        self._ended_by: str | None = None
        self._stream: CancellableStream[bytes] | None = None

    def run(self, argv: Sequence[str], folder: str, timeout: float, on_line: OnLine, cancelled: Cancel | None) -> int:
        """Return the exit status, KILLED after a cancel. Raises CaseTimeout, OutOfMemory, CaseCrash (see Place.run), and the
        SDK's own errors when the engine is away."""
        deadline = threading.Timer(timeout, self._end, ["timeout"])
        deadline.daemon = True
        deadline.start()
        if cancelled is not None:
            cancelled(lambda: self._end("cancel"))
        try:
            status = self._output_and_status(argv, folder, on_line)
        except APIError as error:
            if self._ended_by is None:
                raise self._translated(error) from error
            status = KILLED
        finally:
            deadline.cancel()
            self._close()
        if self._ended_by == "timeout":
            raise CaseTimeout(f"{self._title}: '{' '.join(argv[:2])}' ran past {timeout:g} s and was ended")
        return KILLED if self._ended_by else status

    def _output_and_status(self, argv: Sequence[str], folder: str, on_line: OnLine) -> int:
        made = self._api.exec_create(self._container, list(argv), workdir=folder)
        self._stream = self._api.exec_start(made["Id"], stream=True)
        for line in lines_of(self._stream):
            on_line(line)
        status = self._status(made["Id"])
        if status != 0 and self._ended_by is None:
            self._check_memory()
            self._check_alive(NOTICE_SECONDS if status == KILLED else 0.0)
        return status

    def _end(self, why: str) -> None:
        """Kill the container, from another thread. An engine that does not answer frees the waiting thread all the same."""
        self._ended_by = self._ended_by or why
        try:
            self._api.kill(self._container)
        except (APIError, RequestException) as error:
            logger.debug("{}: not killed: {}", self._container, error)
            self._close()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _status(self, execution: str) -> int:
        """The exit status once the output has ended, which may be a moment before the command has.

        A command that closed its output and works on is waited for; the engine has no call that blocks on it.
        """
        pause = 0.005
        while self._ended_by is None:
            state = self._api.exec_inspect(execution)
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            if not self._alive():
                break
            sleep(pause)
            pause = min(pause * 2, 1.0)
        return KILLED

    def _alive(self) -> bool:
        return bool(self._api.inspect_container(self._container)["State"]["Running"])

    def _check_memory(self) -> None:
        if ended_by_memory(self._api, self._container):
            limit = memory_limit(self._api, self._container)
            what = f"its memory limit of {limit / 2**20:.0f} MiB (--memory)" if limit else "all the memory of the machine"
            raise OutOfMemory(f"{self._title}: the kernel ended it as it reached {what}; give it more, or lower batch_size")

    def _check_alive(self, patience: float) -> None:
        """Raises CaseCrash when the container has gone, or does so within `patience` seconds."""
        until = monotonic() + patience
        while self._alive():
            if monotonic() >= until:
                return
            sleep(0.05)
        raise CaseCrash(f"{self._title}: its container was ended from outside")

    def _translated(self, error: APIError) -> AccelmarkError:
        if error.status_code in (404, 409):
            return CaseCrash(f"{self._title}: its container was removed or ended from outside ({explanation(error)})")
        return CaseCrash(f"{self._title}: the command could not be run: {explanation(error)}")
