"""`run.py run --resume`: finds the run, makes sure that it would measure the same as before, and tells what is left to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.contract import FAILED, OK, TAINTED
from tools.errors import ConfigError, HostError, Interrupted
from utils.planning import Request, plan_run
from utils.record import Record, RequestRecord, fingerprint, last_sign, load_recorded, parts, this_start
from utils.runtime.masking import Masker

if TYPE_CHECKING:
    from utils.plan import RunPlan
    from utils.record import Recorded
    from utils.report.schema import CaseReport

MEASURED = (OK, TAINTED)

UNFINISHED = frozenset({Interrupted.reason, HostError.reason})
"""A case that FAILED for one of these was not tried to its end, so it is still to be run."""

FREE = frozenset(
    {
        "CASE_TIMEOUT",
        "FLAGPERF_LOG_LEVEL",
        "IMAGE_REGISTRY",
        "IMAGE_SOURCE",
        "LOG_CALL_INFORMATION",
        "PIP_SOURCE",
        "RECONNECT_SECONDS",
        "SSH_KEY",
        "SSH_KNOWN_HOSTS",
        "SSH_PORT",
        "SSH_TRUST_FIRST_USE",
        "SSH_USER",
    }
)
"""Keys of host.yaml that say how hosts are reached and for how long, not what is measured there: they may change."""

SHOWN = 8
"""So many differences a message names."""


def request_record(request: Request, mask: Masker) -> RequestRecord:
    """What plan.json keeps of the command line: no password, and paths that mean the same from everywhere."""
    settings = [mask(setting) for setting in request.settings]
    return RequestRecord(
        config=str(request.config.resolve()),
        cases=list(request.cases),
        vendor=request.vendor,
        settings=settings,
        whole=settings == list(request.settings),
    )


def take_up(folder: Path, request: Request | None, checkout: Path, retry_failed: bool) -> tuple[RunPlan, Record]:
    """The plan and the record of a run that goes on in its folder; `request` where the command line was typed again.

    Raises ConfigError where the run cannot be read, or would measure something else now.
    """
    recorded = load_recorded(folder)
    plan = plan_run(request or _request(recorded, folder), checkout)
    plan = dataclasses.replace(plan, run_id=folder.name, results=folder.parent)
    found = differences(recorded.fingerprint, fingerprint(plan))
    if found:
        shown = [*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])]
        raise ConfigError(
            "\n  ".join([f"{folder.name} cannot be resumed, as it would not measure the same any more:", *shown])
            + "\nput that back, or begin a new run"
        )
    earlier = [*recorded.starts[:-1], recorded.starts[-1].model_copy(update={"ended": last_sign(folder)})]
    tried = {(f"{part.case}:{part.framework}", part.rank): part for part in parts(folder) if was_tried(part)}
    repeated = {key: part for key, part in tried.items() if retry_failed and part.status not in MEASURED}
    kept = {key: part for key, part in tried.items() if key not in repeated}
    return plan, Record(folder, recorded.model_copy(update={"starts": [*earlier, this_start()]}), kept, repeated)


def was_tried(part: CaseReport) -> bool:
    """Whether a case came to an end of its own; one that was interrupted, or whose host was lost, is still missing."""
    return part.status != FAILED or not UNFINISHED & {reason.kind for reason in part.reasons}


def missing(plan: RunPlan, record: Record) -> list[str]:
    """What is left to do, in words: `<case>:<framework> on <host>`."""
    return [f"{case.name} on {host.host}" for host in plan.hosts for case in plan.cases if record.kept_case(case, host) is None]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has changed between two fingerprints, in words, a line each; keys that are FREE may."""
    said = _changes("host.yaml: ", before["host.yaml"], now["host.yaml"], FREE)
    said += _changes("the environment: ", before["environment"], now["environment"])
    for name in dict.fromkeys([*before["cases"], *now["cases"]]):
        if name not in now["cases"] or name not in before["cases"]:
            said.append(f"case {name} {'is new' if name in now['cases'] else 'is no longer in CASES'}")
        else:
            said += _changes(f"{name}: ", before["cases"][name], now["cases"][name])
    files = {**before["code"], **now["code"]}
    changed = sorted(name for name in files if before["code"].get(name) != now["code"].get(name))
    if changed:
        said.append(f"the code: {', '.join(changed[:SHOWN])}" + (f" and {len(changed) - SHOWN} more" if changed[SHOWN:] else ""))
    return said


def _changes(where: str, before: Mapping[str, Any], now: Mapping[str, Any], free: frozenset[str] = frozenset()) -> list[str]:
    """A key of a host's own, `HOST_OPTIONS[node1].SSH_PORT`, is as free as the one for all hosts."""
    changed = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
    names = [name for name in changed if name.rpartition("].")[2] not in free]
    return [f"{where}{name} was {before.get(name)!r} and is {now.get(name)!r} now" for name in names]


def _request(recorded: Recorded, folder: Path) -> Request:
    """The command line as it was. Raises ConfigError when a part of it was not kept."""
    known = recorded.request
    if not known.whole:
        raise ConfigError(f"{folder.name} was given a password on its command line, which was not kept: repeat its --set options")
    return Request(Path(known.config), tuple(known.cases), known.vendor, tuple(known.settings))
