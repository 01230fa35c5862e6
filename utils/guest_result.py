"""Reads a guest's result.json, and lets nothing out of it that the contract does not allow."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tools.contract import RESULT_FILE, Result, result_from_json, to_json
from tools.errors import AccelmarkError, CaseCrash
from utils.guest_files import read_text
from utils.report.schema import Status


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


@cache
def _results() -> TypeAdapter[Result]:
    """Made once: that takes longer than many results take."""
    return TypeAdapter(Result)


def _statuses(result: Result) -> dict[str, str]:
    """Every status in a result, by where it stands."""
    points = {f"sweep.{place}.status": point.status for place, point in enumerate(result.sweep)}
    driven = {f"scenarios.{place}.status": one.status for place, one in enumerate(result.scenarios)}
    return {"status": result.status, **points, **driven}
