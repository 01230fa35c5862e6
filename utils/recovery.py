"""What a killed run.py left of one case on its host: a guest that runs on, its result, or only rests to be cleared away."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import FAILED, RESULT_FILE, result_from_json
from tools.errors import AccelmarkError, Interrupted
from utils.connection.base import QUICK_SECONDS
from utils.guest_files import read_text
from utils.leftovers import stays, stop_monitors
from utils.ownership import ROOT, owner_on

if TYPE_CHECKING:
    from utils.case_files import CaseFiles
    from utils.connection.patience import Patience
    from utils.runtime.attach import RunningGuest

CLEAR_SECONDS = 600.0


@dataclass(frozen=True)
class Left:
    """What there is of one case on one host, and in its folder here."""

    files: CaseFiles

    def guest(self, patience: Patience) -> RunningGuest | None:
        """The guest in its container, running or ended; None where there is none to be had. Raises HostError."""
        files = self.files
        if files.plan.runtime != "docker":
            return None
        from utils.runtime.attach import find_running  # noqa: PLC0415 - a run without Docker needs no SDK

        return find_running(files.connection, files.plan.run_id, files.case.name, files.host.rank, patience)

    def was_removed(self) -> bool:
        """Whether somebody removed the container from under the guest, before that came to its end. Raises HostError."""
        files = self.files
        if files.plan.runtime != "docker":
            return False
        from utils.runtime.attach import was_removed  # noqa: PLC0415

        gone = was_removed(files.connection, files.plan.run_id, files.case.name, files.host.rank, files.remote)
        return gone and not self.has_result()

    def seconds(self, guest: RunningGuest) -> float:
        """What is left of CASE_TIMEOUT, and a moment in any case, as the guest may have ended long ago."""
        whole = self.files.plan.case_timeout
        return min(max(whole - (time.time() - guest.started), QUICK_SECONDS), whole + QUICK_SECONDS)

    def has_result(self) -> bool:
        """Whether the guest came to its end, there or collected already; one that was told to end has not. Raises HostError."""
        files, texts = self.files, []
        if not files.connection.is_local:
            texts.append(files.connection.run(["cat", f"{files.remote}/{RESULT_FILE}"], timeout=QUICK_SECONDS).stdout)
        with suppress(OSError, ValueError):
            texts.append(read_text(files.local / RESULT_FILE))
        return any(map(_is_final, texts))

    def is_there(self) -> bool:
        """Whether the host still has the case's folder, so that there is something to be collected. Raises HostError."""
        return self.files.connection.run(["test", "-d", self.files.remote], timeout=QUICK_SECONDS).status == 0

    def clear(self, patience: Patience) -> None:
        """Let nothing be left of the case on its host or here, so that it can run again. Raises HostError."""
        self.end(patience)
        self._remove(patience)

    def end(self, patience: Patience) -> None:
        """Let nothing of the case go on, nor begin: its monitors, its containers, and one that its engine has yet to make. Raises
        HostError."""
        stop_monitors(self.files.connection, self.files.remote)
        if self.files.plan.runtime == "docker":
            self._end_containers(patience)

    def _end_containers(self, patience: Patience) -> None:
        from utils.runtime.clean import remove_run  # noqa: PLC0415 - a run without Docker needs no SDK
        from utils.runtime.creation import container_name, permit, withdraw  # noqa: PLC0415
        from utils.runtime.image_context import image_tag  # noqa: PLC0415
        from utils.runtime.labels import CHOWN, container_labels  # noqa: PLC0415

        case, connection, run_id, rank = self.files.case, self.files.connection, self.files.plan.run_id, self.files.host.rank
        allowed = permit(self.files.remote)
        was_asked_for = connection.run(["test", "-e", allowed], timeout=QUICK_SECONDS).status == 0
        connection.run(["rm", "-rf", allowed], timeout=QUICK_SECONDS)

        def end() -> None:
            remove_run(connection, run_id, rank, case.name)
            for name in (case.name, CHOWN) if was_asked_for else ():
                labels = container_labels(run_id, name, rank, self.files.remote)
                withdraw(connection, image_tag(case.image), container_name(run_id, name, rank), labels)

        patience.again("its containers", end)

    def reclaim(self, patience: Patience) -> None:
        """Take over what the root of a container that has gone left in the case's folder; a failure is only logged."""
        from utils.runtime.image_context import image_tag  # noqa: PLC0415
        from utils.runtime.labels import CHOWN, container_labels  # noqa: PLC0415
        from utils.runtime.leaving import reclaim  # noqa: PLC0415

        files, owner = self.files, owner_on(self.files.connection)
        if owner != ROOT and self.is_there():
            labels = container_labels(files.plan.run_id, CHOWN, files.host.rank)
            reclaim(files.connection, image_tag(files.case.image), owner, [files.remote], patience, labels)

    def _remove(self, patience: Patience) -> None:
        """The case's folders; one that is not all ours to remove is put aside."""
        local, remote = self.files.local, self.files.remote
        if not self._is_removed(remote):
            if self.files.plan.runtime == "docker":
                self.reclaim(patience)
            if not self._is_removed(remote):
                aside = f"{remote}.left{time.time():.0f}"
                self.files.connection.run(["mv", remote, aside], timeout=QUICK_SECONDS).check()
                logger.warning("{}: {}", self.files.connection.host, stays(aside))
        shutil.rmtree(local, ignore_errors=True)
        if os.path.lexists(local):
            local.rename(f"{local}.left{time.time():.0f}")

    def _is_removed(self, folder: str) -> bool:
        return self.files.connection.run(["rm", "-rf", folder], timeout=CLEAR_SECONDS).status == 0


def _is_final(text: str) -> bool:
    """Whether a result.json is one of a guest that ran to its end, well or not."""
    try:
        result = result_from_json(text)
        return not (result.status == FAILED and Interrupted.reason in {reason.kind for reason in result.reasons})
    except (ValueError, AttributeError, TypeError, AccelmarkError):
        return False
