"""One command in a running container: its output as lines, its deadline, its cancellation and how it ended.

The command is kept there (keeper.py) and followed on the host (follower.py), so it outlives the loss of the link, of the engine
and of this program; the engine is only needed to start it, and to tell why it ended.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from docker import APIClient
from docker.errors import APIError
from loguru import logger

from tools.errors import AccelmarkError, CaseCrash, CaseTimeout, CommandTimeout, HostError, OutOfMemory
from utils.connection.base import Cancelled, Connection, LinkLost
from utils.connection.patience import Patience
from utils.runtime import follower, keeper
from utils.runtime.base import OnLine
from utils.runtime.engine import engine_errors, explanation
from utils.runtime.limits import ended_by_memory, memory_limit
from utils.runtime.watch import EngineWatch

KILLED = 137
"""128 + SIGKILL, the status of what was ended from outside."""

NOTICE_SECONDS = 2.0
"""A container's commands die before the engine says that the container has; so long may lie between."""

LOST_DEADLINE_SECONDS = 60.0
"""A command that nobody follows any more is ended so long after its deadline."""

MOST_FOLLOWS, FOLLOW_PAUSE, MOST_PAUSE = 30, 0.2, 3.0
"""So many links in a row may be lost without a line of output; the pause before the next one grows."""

KEEPER, FOLLOWER = (Path(str(module.__file__)).read_text(encoding="utf-8") for module in (keeper, follower))
GUEST = "run_inference.py"
REMOVING = ("removing", "dead")


class ContainerRemoved(CaseCrash):
    """Somebody removed the container, which no restart of its host or its engine does."""


@dataclass
class Execution:
    """Runs commands in one container. To end one early the whole container is killed: nothing of the command outlives that.

    `folder` is the container's log folder, at the same path on the host; `watch` tells whether the engine was lost meanwhile.
    """

    connection: Connection
    patience: Patience
    watch: EngineWatch
    container: str
    folder: str
    title: str
    _ended: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], cwd: str, timeout: float, on_line: OnLine, cancelled: Cancelled | None) -> int:
        """Return the exit status, KILLED after a cancel. Raises CaseTimeout, OutOfMemory, CaseCrash, HostError; see Place.run."""
        token = uuid.uuid4().hex
        asked = {"argv": list(argv), "folder": self.folder, "token": token, "guest": GUEST in argv}
        request = json.dumps({**asked, "timeout": timeout + LOST_DEADLINE_SECONDS})
        self.patience.again(f"start of '{' '.join(argv[:2])[:60]}'", lambda: self._launch(request, cwd))
        return self.wait(token, timeout, on_line, cancelled, " ".join(argv[:2]))

    def wait(self, token: str, timeout: float, on_line: OnLine, cancelled: Cancelled | None, what: str = GUEST) -> int:
        """Follow a command that runs, from its first line; see `run`."""
        deadline = monotonic() + timeout
        following = _Following(self.connection, self.folder, token, on_line)
        while following.status is None:
            self._forget_what_it_outlived()
            try:
                following.follow(max(deadline - monotonic(), 0.001), self._ending(cancelled))
            except CommandTimeout as error:
                self._kill()
                raise CaseTimeout(f"{self.title}: '{what}' ran past {timeout:g} s and was ended") from error
            except LinkLost as error:
                if not self._ended:
                    following.check_progress(error)
                    self.patience.wait_for_host(error)
            if self._ended:
                self._kill()
                return KILLED
        if following.status == follower.UNKNOWN:
            self._explain_end()
            return KILLED
        if not following.status.isdecimal():
            raise CaseCrash(f"{self.title}: the guest wrote over its status ({following.status[:40]!r})")
        return self._judged(int(following.status))

    def _forget_what_it_outlived(self) -> None:
        """A host that was lost and is back, with the container alive, is no reason for whatever ends that later."""
        if self.patience.was_lost:
            with suppress(AccelmarkError):
                if self._alive():
                    self.patience.outlived()
                    self.watch = EngineWatch(self._api, self.container)
                    logger.info("{}: its container outlived that the host was lost", self.title)

    def _ending(self, cancelled: Cancelled | None) -> Cancelled:
        def register(end: Callable[[], None]) -> None:
            def ended() -> None:
                self._ended.append("cancel")
                end()

            if cancelled is not None:
                cancelled(ended)

        return register

    def _launch(self, request: str, cwd: str) -> None:
        """Start the keeper, which starts nothing twice. Raises EngineLost when the engine did not answer."""
        with engine_errors(self.connection.host):
            try:
                made = self._api.exec_create(self.container, ["python3", "-ISc", KEEPER, request], workdir=cwd)
                said = self._api.exec_start(made["Id"]).decode("utf-8", errors="replace").strip()
                status = self._api.exec_inspect(made["Id"])["ExitCode"]
            except APIError as error:
                raise self._translated(error) from error
        if status != 0:
            self._check_alive(NOTICE_SECONDS)
            raise CaseCrash(f"{self.title}: no command can be started in its container (status {status}): {said}")

    @property
    def _api(self) -> APIClient:
        return self.connection.docker().api

    def _kill(self) -> None:
        """End the container; where that does not answer, its removal is tried later on."""
        try:
            with engine_errors(self.connection.host):
                self.connection.reach_engine()
                self._api.kill(self.container)
        except HostError as error:
            logger.debug("{}: not killed: {}", self.container, error)

    def _judged(self, status: int) -> int:
        """The status, unless a lack of memory or the container's end explains it. An engine that is away explains nothing."""
        if status in (0, keeper.NOT_FOUND, keeper.NOT_RUNNABLE):
            return status
        try:
            self._check_memory()
            self._check_alive(NOTICE_SECONDS if status == KILLED else 0.0)
        except HostError as error:
            logger.warning("{}: why it ended with status {} cannot be told: {}", self.title, status, error)
        return status

    def _explain_end(self) -> None:
        """Say why the command ended without a status: OutOfMemory, CaseCrash, HostError; or only the keeper was killed."""
        self.patience.again("why the container ended", self._check_memory)
        try:
            self.patience.again("why the container ended", lambda: self._check_alive(NOTICE_SECONDS))
        except ContainerRemoved:
            raise
        except CaseCrash as error:
            if self.patience.was_lost:
                raise HostError(
                    f"{self.title}: the host was lost, and its container did not outlive that; was the machine restarted?"
                ) from error
            if self.watch.engine_was_lost:
                raise HostError(
                    f"{self.title}: the Docker engine was ended or restarted, and with it the container; with "
                    '"live-restore": true in /etc/docker/daemon.json containers live on'
                ) from error
            raise

    def _check_memory(self) -> None:
        with engine_errors(self.connection.host):
            try:
                if not ended_by_memory(self._api, self.container):
                    return
                limit = memory_limit(self._api, self.container)
            except APIError as error:
                if error.status_code == 404:
                    return
                raise
        what = f"its memory limit of {limit / 2**20:.0f} MiB (--memory)" if limit else "all the memory of the machine"
        raise OutOfMemory(f"{self.title}: the kernel ended it as it reached {what}; give it more, or lower batch_size")

    def _check_alive(self, patience: float) -> None:
        """Raises CaseCrash when the container has ended, or does so within `patience` seconds, ContainerRemoved if it is gone."""
        until = monotonic() + patience
        while self._alive():
            if monotonic() >= until:
                return
            sleep(0.05)
        until = monotonic() + NOTICE_SECONDS
        while monotonic() < until:  # who removes it ends it first
            self._alive()
            sleep(0.1)
        raise CaseCrash(f"{self.title}: its container was ended from outside (docker kill, docker stop?)")

    def _alive(self) -> bool:
        with engine_errors(self.connection.host):
            try:
                state = self._api.inspect_container(self.container)["State"]
            except APIError as error:
                raise self._translated(error) from error
        if state.get("Status") in REMOVING:
            raise self._removed()
        return bool(state["Running"])

    def _removed(self) -> ContainerRemoved:
        return ContainerRemoved(f"{self.title}: its container was removed from outside (docker rm, docker container prune?)")

    def _translated(self, error: APIError) -> AccelmarkError:
        if error.status_code == 404:
            return self._removed()
        if error.status_code == 409:
            return CaseCrash(f"{self.title}: its container was ended from outside ({explanation(error)})")
        return CaseCrash(f"{self.title}: the command could not be run: {explanation(error)}")


class _Following:
    """How far a command's output has come, over as many links as it takes; `status` is what follower.py said in the end."""

    def __init__(self, connection: Connection, folder: str, token: str, on_line: OnLine) -> None:
        self._connection, self._folder, self._token, self._on_line = connection, folder, token, on_line
        self._offset = self._began_at = self._in_vain = 0
        self.status: str | None = None

    def follow(self, timeout: float, cancelled: Cancelled) -> None:
        """Hand on what comes until the end, or until this is ended. Raises CommandTimeout, LinkLost."""
        argv = [self._connection.python, "-ISc", FOLLOWER, self._folder, self._token, str(self._offset)]
        done = self._connection.run(argv, timeout=timeout, on_line=self._line, cancelled=cancelled)
        if self.status is None:
            raise LinkLost(f"{self._connection.host}: following the output ended with status {done.status}; it is taken up again")

    def check_progress(self, lost: LinkLost) -> None:
        """Wait a moment before the next try. Raises HostError after MOST_FOLLOWS that brought no line."""
        self._in_vain = self._in_vain + 1 if self._offset == self._began_at else 0
        self._began_at = self._offset
        if self._in_vain > MOST_FOLLOWS:
            raise HostError(f"{lost}; given up, as {MOST_FOLLOWS} tries brought nothing. `run.py run --resume` tries again")
        sleep(min(FOLLOW_PAUSE * self._in_vain, MOST_PAUSE))

    def _line(self, line: str) -> None:
        head, _, text = line.partition(" ")
        if head == follower.END:
            self.status = text
        elif head.isdigit():
            self._offset = int(head)
            self._on_line(text)
        else:
            logger.warning("{}: {}", self._connection.host, line)
