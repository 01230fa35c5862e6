"""What a killed run.py left of one case on its host: a guest that runs on, its result, or only rests to be cleared away."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.contract import FAILED, RESULT_FILE, result_from_json
from tools.errors import AccelmarkError, Interrupted
from utils.guest_files import read_text
from utils.leftovers import stop_monitors

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.connection.patience import Patience
    from utils.plan import CasePlan, HostTarget, RunPlan
    from utils.runtime.attach import RunningGuest

QUICK_SECONDS = 60.0
CLEAR_SECONDS = 600.0


@dataclass(frozen=True)
class Left:
    """One case on one host; `remote` is its folder there, `local` the one here (the same where the host is this machine)."""

    connection: Connection
    plan: RunPlan
    case: CasePlan
    host: HostTarget
    remote: str
    local: Path

    def guest(self, patience: Patience | None = None) -> RunningGuest | None:
        """The guest in its container, running or ended; None where there is none to be had. Raises HostError."""
        if self.plan.runtime != "docker":
            return None
        from utils.runtime.attach import find_running  # noqa: PLC0415 - a run without Docker needs no SDK

        return find_running(self.connection, self.plan.run_id, self.case.name, self.host.rank, patience)

    def seconds(self, guest: RunningGuest) -> float:
        """What is left of CASE_TIMEOUT, and a moment in any case, as the guest may have ended long ago."""
        left = self.plan.case_timeout - (time.time() - guest.started)
        return min(max(left, QUICK_SECONDS), self.plan.case_timeout + QUICK_SECONDS)

    def has_result(self) -> bool:
        """Whether the guest came to its end, there or collected already; one that was told to end has not. Raises HostError."""
        texts = []
        if self.remote != str(self.local):
            texts.append(self.connection.run(["cat", f"{self.remote}/{RESULT_FILE}"], timeout=QUICK_SECONDS).stdout)
        with suppress(OSError, ValueError):
            texts.append(read_text(self.local / RESULT_FILE))
        return any(map(_is_final, texts))

    def is_there(self) -> bool:
        """Whether the host still has the case's folder, so that there is something to be collected. Raises HostError."""
        return self.connection.run(["test", "-d", self.remote], timeout=QUICK_SECONDS).status == 0

    def stop_monitors(self) -> None:
        """The case's own. Raises HostError."""
        stop_monitors(self.connection, self.remote)

    def clear(self) -> None:
        """Let nothing be left of the case on its host or here, so that it can run again. Raises HostError."""
        self.stop_monitors()
        if self.plan.runtime == "docker":
            from utils.runtime.clean import remove_case  # noqa: PLC0415

            remove_case(self.connection, self.plan.run_id, self.case.name, self.host.rank)
        self._remove()

    def _remove(self) -> None:
        """The case's folders; one with files of somebody else's (root's, of a container that died with its host) is put aside."""
        shutil.rmtree(self.local, ignore_errors=True)
        if os.path.lexists(self.local):
            self.local.rename(f"{self.local}.left{time.time():.0f}")
        if self.connection.run(["rm", "-rf", self.remote], timeout=CLEAR_SECONDS).status != 0:
            self.connection.run(["mv", self.remote, f"{self.remote}.left{time.time():.0f}"], timeout=QUICK_SECONDS).check()


def _is_final(text: str) -> bool:
    """Whether a result.json is one of a guest that ran to its end, well or not."""
    try:
        result = result_from_json(text)
        return not (result.status == FAILED and Interrupted.reason in {reason.kind for reason in result.reasons})
    except (ValueError, AttributeError, TypeError, AccelmarkError):
        return False
