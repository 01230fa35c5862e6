"""What a killed run.py left of one case on its host: a guest that runs on, its result, or only rests to be cleared away."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.contract import FAILED, RESULT_FILE, result_from_json
from tools.errors import AccelmarkError, Interrupted
from utils.connection.base import QUICK_SECONDS
from utils.guest_files import read_text
from utils.leftovers import stop_monitors

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

    def stop_monitors(self) -> None:
        """The case's own. Raises HostError."""
        stop_monitors(self.files.connection, self.files.remote)

    def clear(self) -> None:
        """Let nothing be left of the case on its host or here, so that it can run again. Raises HostError."""
        files = self.files
        self.stop_monitors()
        if files.plan.runtime == "docker":
            from utils.runtime.clean import remove_case  # noqa: PLC0415

            remove_case(files.connection, files.plan.run_id, files.case.name, files.host.rank)
        self._remove()

    def _remove(self) -> None:
        """The case's folders; one with files of somebody else's (root's, of a container that died with its host) is put aside."""
        local, remote, run = self.files.local, self.files.remote, self.files.connection.run
        shutil.rmtree(local, ignore_errors=True)
        if os.path.lexists(local):
            local.rename(f"{local}.left{time.time():.0f}")
        if run(["rm", "-rf", remote], timeout=CLEAR_SECONDS).status != 0:
            run(["mv", remote, f"{remote}.left{time.time():.0f}"], timeout=QUICK_SECONDS).check()


def _is_final(text: str) -> bool:
    """Whether a result.json is one of a guest that ran to its end, well or not."""
    try:
        result = result_from_json(text)
        return not (result.status == FAILED and Interrupted.reason in {reason.kind for reason in result.reasons})
    except (ValueError, AttributeError, TypeError, AccelmarkError):
        return False
