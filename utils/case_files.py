"""The files of one case on one host: its folder there and the one here, and how they come from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.config_manager import resolved_text
from tools.contract import write_atomically
from tools.errors import CaseCrash, CommandError, HostError
from utils.connection.base import QUICK_SECONDS
from utils.connection.trees import disarm
from utils.guest_command import case_folder, host_folder
from utils.leftovers import stays
from utils.text_log import appending

if TYPE_CHECKING:
    from utils.connection.base import Connection
    from utils.plan import CasePlan, HostTarget, RunPlan

OUTPUT_FILE = "stdout_err.out.log"
CONFIG_FILE = "config.yaml"
CLOCK_STEP_SECONDS = 2.0


@dataclass(frozen=True)
class CaseFiles:
    """Where the guest of one case writes on its host, and where that lies in the end."""

    connection: Connection
    plan: RunPlan
    case: CasePlan
    host: HostTarget

    @property
    def local(self) -> Path:
        """The case's folder in the run's, on this machine."""
        return self.plan.results / self.plan.run_id / self.case.name / host_folder(self.host)

    @property
    def remote(self) -> str:
        """Its folder on the host: the same where that is this machine."""
        return case_folder(self.plan, self.case, self.host, self.connection.is_local)

    def output(self, failed: Callable[[str], None]) -> AbstractContextManager[Callable[[str], None]]:
        """Where the guest's output goes line by line; `failed` is told when it ends early. Raises CaseCrash when there is no room
        even for its folder."""
        try:
            self.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaseCrash(
                f"{self.local} cannot be made: {error.strerror}; free some space, or set FLAGPERF_LOG_PATH"
            ) from error
        return appending(self.local / OUTPUT_FILE, failed)

    def put_config(self) -> str:
        """Write the case's resolved configuration into its folder on the host, and return the file's path there. Raises CaseCrash
        where there is no room for it here, HostError where the host takes none."""
        try:
            write_atomically(self.local / CONFIG_FILE, resolved_text(self.case.config))
        except OSError as error:
            raise CaseCrash(f"{self.local / CONFIG_FILE} cannot be written: {error.strerror}; free some space") from error
        if not self.connection.is_local:
            self.connection.put_tree(self.local, [CONFIG_FILE], self.remote)
        return f"{self.remote}/{CONFIG_FILE}"

    def disarm(self, seconds: float) -> list[str]:
        """Leave nothing in the folders of a guest that has ended for others to stumble over; in onnxs/, which it shares, look at
        what is younger than `seconds`. Return in words what was found. Raises HostError."""
        folders = {self.remote: 0.0, f"{self.plan.code_path}/onnxs": seconds + CLOCK_STEP_SECONDS}
        try:
            return disarm(self.connection, folders)
        except CommandError as error:
            return [f"{self.connection.host}: {error}"]

    def collect(self) -> list[str]:
        """Bring the files of another host here and leave none there; return in words what stayed behind. Raises HostError, also
        for a lack of room here, which leaves everything there."""
        if self.connection.is_local:
            return []
        try:
            notes = self.connection.get_tree(self.remote, self.local)
        except CommandError as error:
            return [f"nothing could be collected from {self.connection.host}: {error}"]
        except OSError as error:
            raise HostError(
                f"what {self.connection.host} has of it in {self.remote} cannot be stored in {self.local}: {error.strerror}; "
                "free some space, then `run.py run --resume` collects it"
            ) from error
        try:
            if self.connection.run(["rm", "-rf", self.remote], timeout=QUICK_SECONDS).status != 0:
                notes = [*notes, f"{self.connection.host}: {stays(self.remote)}"]
        except CommandError as error:
            notes = [*notes, f"{self.remote} stays on {self.connection.host}: {error}"]
        return notes
