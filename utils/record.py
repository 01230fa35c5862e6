"""What a run has on disk from its beginning: its plan, and each case's part of the report as soon as that is finished.

So whenever run.py ends, and however, the next one can go on (`utils/resume.py`), and the report of what there is can be shown.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loguru import logger
from pydantic import Field, ValidationError

from tools.contract import write_atomically
from tools.errors import ConfigError, HostBusy
from utils.connection.sync import code_files
from utils.lock import Claim
from utils.report.load import PLAN_FILE
from utils.report.schema import CaseReport, Model, RunReport
from utils.report.words import moment

if TYPE_CHECKING:
    from utils.plan import CasePlan, HostTarget, RunPlan

LARGE_BYTES = 64 * 2**20
DIGEST_LENGTH = 16
MEASURING = (
    "run_inference.py",
    "benchmarks/",
    "docker_images/",
    "inference_engine/",
    "tools/",
    *(f"utils/monitoring/{name}.py" for name in ("base", "daemon", "procfs", "readings")),
    "utils/sys_monitor.py",
)
"""The code that a run's numbers depend on: the guest's and the monitors'. What the host arranges and how it reports may be mended
between two starts; configs/ is compared by what it says for this run."""
PROSE = ".md"
IMAGES = "docker_images"
PEAKS = "chips.yaml"


class Start(Model):
    """One call of run.py for a run, in seconds since the Unix epoch; `ended` is known of earlier ones only."""

    user: str
    machine: str
    pid: int
    began: float
    ended: float | None = None


class RequestRecord(Model):
    """What the command line asked for; `whole` False: a password in it was masked, so it has to be given again."""

    config: str
    cases: list[str] = Field(default=[])
    vendor: str | None = None
    settings: list[str] = Field(default=[])
    whole: bool = True


class Recorded(Model):
    """plan.json. `token` names the run to its hosts' locks, `fingerprint` is all that its numbers depend on (see fingerprint),
    `run` the head of its report as far as it is known."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    token: str
    request: RequestRecord
    starts: list[Start]
    fingerprint: dict[str, Any]
    run: RunReport


@dataclass
class Record:
    """The folder of a run that is going on, with what was finished of it before this start, and what of that is to be repeated,
    both by case and rank."""

    folder: Path
    recorded: Recorded
    kept: Mapping[tuple[str, int], CaseReport] = field(default_factory=dict)
    repeated: Mapping[tuple[str, int], CaseReport] = field(default_factory=dict)

    @property
    def resumed(self) -> bool:
        """Whether this is not the run's first start."""
        return len(self.recorded.starts) > 1

    @property
    def seconds_before(self) -> float:
        """How long the run's earlier starts took together."""
        return sum(start.ended - start.began for start in self.recorded.starts[:-1] if start.ended is not None)

    def kept_case(self, case: CasePlan, host: HostTarget) -> CaseReport | None:
        """The part of a case that need not run again."""
        return self.kept.get((case.name, host.rank))

    def forget(self, case: CasePlan, host: HostTarget) -> bool:
        """Whether a case is repeated although it was finished; its old part is gone then, so that a kill leaves it missing."""
        old = self.repeated.get((case.name, host.rank))
        if old is not None:
            part_path(self.folder, old).unlink(missing_ok=True)
        return old is not None

    def claim(self, host: HostTarget) -> Claim:
        """What the host's lock is told of this run."""
        now = self.recorded.starts[-1]
        return Claim(self.recorded.token, self.folder.name, host.host, now.user, now.machine, now.pid, now.began)

    def keep(self, report: CaseReport) -> None:
        """Put a finished case away; a full disk is only logged, as the report may still find room."""
        path = part_path(self.folder, report)
        try:
            write_atomically(path, report.model_dump_json(by_alias=True) + "\n")
            _sync_folder(path.parent)
        except OSError as error:
            logger.warning("{} cannot be written, so `--resume` would repeat this case: {}", path, error)

    def write(self) -> None:
        """Write plan.json. Raises OSError."""
        write_atomically(self.folder / PLAN_FILE, self.recorded.model_dump_json(by_alias=True) + "\n")
        _sync_folder(self.folder)


def new_record(plan: RunPlan, request: RequestRecord, run: RunReport) -> Record:
    """The record of a run that begins now, in the folder of `plan`."""
    recorded = Recorded(
        token=secrets.token_hex(16), request=request, starts=[this_start()], fingerprint=fingerprint(plan), run=run
    )
    return Record(plan.results / plan.run_id, recorded)


def load_recorded(folder: Path) -> Recorded:
    """Read a run's plan.json. Raises ConfigError where there is none or it is not one."""
    path = folder / PLAN_FILE
    try:
        return Recorded.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        first = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise ConfigError(f"{path}: cannot be read: {first}; only a run that has it can be resumed") from error


def parts(folder: Path) -> list[CaseReport]:
    """What is finished of a run, in no order; a part that cannot be read counts as missing."""
    found = []
    for path in sorted(folder.glob("*:*/*_noderank*.json")):
        try:
            report = CaseReport.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            logger.warning("{} cannot be read, so this case counts as missing: {}", path, error)
            continue
        if part_path(folder, report) == path:
            found.append(report)
    return found


def part_path(folder: Path, report: CaseReport) -> Path:
    """Where a case's part lies: beside its own folder, into which a guest can write, not in it."""
    return folder / f"{report.folder}.json"


def this_start() -> Start:
    """Who calls run.py now."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return Start(user=user, machine=socket.gethostname(), pid=os.getpid(), began=time.time())


def last_sign(folder: Path) -> float:
    """When a run's last start, which has ended, wrote something last: seconds since the Unix epoch."""
    places = [folder, *folder.glob("*"), *folder.glob("*/*.json")]
    return max(path.stat().st_mtime for path in places if path.exists())


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Have a run's folder for this process alone, until that ends at the latest. Raises HostBusy where another one has it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _locked(handle):
            raise HostBusy(f"{folder}: this run is still going on{_where(folder)}; wait until it has ended, or end it there")
        yield
    finally:
        os.close(handle)


def going_on(folder: Path) -> bool:
    """Whether a run.py has this run's folder now."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return not _locked(handle)
    finally:
        os.close(handle)


def fingerprint(plan: RunPlan) -> dict[str, Any]:
    """All that a run's numbers depend on and that may have changed when it is resumed, passwords masked, as JSON has it."""
    names = [name for name in code_files(plan.checkout) if name.startswith(MEASURING) and _is_run(name, plan)]
    known = {
        "host.yaml": {key: entry["value"] for key, entry in plan.host_config.items()},
        "environment": dict(plan.environment),
        "cases": {case.name: _settings_of(case) for case in plan.cases},
        "code": {name: _digest(plan.checkout / name) for name in names},
    }
    as_json: dict[str, Any] = plan.mask.everywhere(json.loads(json.dumps(known, default=str)))
    return as_json


def _is_run(name: str, plan: RunPlan) -> bool:
    """Whether a file may be of use to the guest or a monitor of this run: prose is not, nor are, in docker_images/, another
    vendor's files and those that only reports are made with."""
    if name.endswith(PROSE):
        return False
    folder, vendor, *rest = [*name.split("/"), ""]
    if folder != IMAGES:
        return True
    is_used = vendor in {plan.vendor, *(case.vendor for case in plan.cases)}
    return is_used and rest[0] not in (PEAKS, f"{vendor}_analysis.py")


def _settings_of(case: CasePlan) -> dict[str, Any]:
    return {**{key: entry["value"] for key, entry in case.config.items()}, "data": case.data, "vendor": case.vendor}


def _digest(path: Path) -> str:
    """What tells a file from another; of a large one, weights say, not its content."""
    known = path.stat()
    if known.st_size > LARGE_BYTES:
        return f"{known.st_size} bytes of {known.st_mtime:.0f}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGEST_LENGTH]


def _locked(handle: int) -> bool:
    """Whether we have the lock now; file systems that know none let everybody have it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.warning("this file system knows no locks, so nothing keeps a second run.py from resuming this run: {}", error)
    return True


def _where(folder: Path) -> str:
    try:
        start = load_recorded(folder).starts[-1]
    except ConfigError:
        return ""
    return f" (process {start.pid} of {start.user} on {start.machine}, since {moment(start.began)})"


def _sync_folder(folder: Path) -> None:
    """Let a renamed file survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
