"""Reads a guest's result.json, and lets nothing out of it that the contract does not allow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from tools.contract import FAILED, RESULT_FILE, Result, as_json, result_from_json, to_json
from tools.errors import AccelmarkError, CaseCrash, ConfigError
from utils.guest_files import read_text
from utils.report.schema import Status

if TYPE_CHECKING:
    from utils.plan import CasePlan
    from utils.runtime.masking import Masker

OWN_KEYS = ("perf_dir", "log_dir")
"""Where the guest found itself, by the names that folders have there; not what it measured."""


def read_result(folder: Path) -> tuple[Result | None, str]:
    """The result that a guest left in its folder, checked; or None and why there is none."""
    path = folder / RESULT_FILE
    try:
        return checked(result_from_json(read_text(path))), ""
    except FileNotFoundError:
        return None, f"the guest left no {RESULT_FILE}"
    except (OSError, ValueError, AccelmarkError) as error:
        return None, f"{path}: {error}"


def checked(result: Result) -> Result:
    """Return a guest's result with every value of the type that the contract gives it, and without NaN or infinities.

    Raises CaseCrash, naming the first value that cannot be.
    """
    try:
        valid = _results().validate_json(to_json(result))
        TypeAdapter(dict[str, Status]).validate_python(_statuses(valid))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CaseCrash(f"the guest's result.json is not as the contract says: {where}: {first['msg']}") from error
    return valid


def check_config(result: Result, case: CasePlan, mask: Masker) -> None:
    """Raises ConfigError where a guest measured another configuration than the plan shows, naming each value that differs. One
    that FAILED before it knew its configuration has measured none."""
    if not result.config and result.status == FAILED:
        return
    asked, ran = (
        {key: mask.everywhere(as_json(_value(entry))) for key, entry in config.items() if key not in OWN_KEYS}
        for config in (case.config, result.config)
    )
    differing = [key for key in dict.fromkeys([*asked, *ran]) if asked.get(key) != ran.get(key)]
    if differing:
        told = "; ".join(f"{key} is {asked.get(key)!r} in the plan and {ran.get(key)!r} in the result" for key in differing)
        raise ConfigError(f"{case.name}: the guest measured another configuration than was planned: {told}; run it again")


def _value(entry: Any) -> Any:
    """What stands in a config under a key; an entry that is none, of a guest that made its result itself, is another value."""
    return entry.get("value") if isinstance(entry, Mapping) else entry


@cache
def _results() -> TypeAdapter[Result]:
    """Made once: that takes longer than many results take."""
    return TypeAdapter(Result)


def _statuses(result: Result) -> dict[str, str]:
    """Every status in a result, by where it stands."""
    points = {f"sweep.{place}.status": point.status for place, point in enumerate(result.sweep)}
    driven = {f"scenarios.{place}.status": one.status for place, one in enumerate(result.scenarios)}
    return {"status": result.status, **points, **driven}
