"""Finds runs on disk, reads finished ones back, and points `latest` at the newest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from tools.errors import ConfigError
from utils.report.build import REPORT_FILE
from utils.report.schema import Report

LATEST = "latest"
PLAN_FILE = "plan.json"
SHOWN = 5
"""So many runs an error message names."""


def load(folder: Path) -> Report:
    """Read a run's report.json. Raises ConfigError where there is none or it is not one."""
    path = folder / REPORT_FILE
    try:
        return Report.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: not a report.json that this version knows: {where}: {first['msg']}") from error


def find_run(results: Path, name: str | None = None, among: Callable[[Path], list[Path]] | None = None) -> Path:
    """Return the folder of a run: the newest without a name; else the one so called, or whose name begins so (with or without
    `run`). `among` is where to look, all_runs unless something is said.

    Raises ConfigError, naming the newest runs, where there is none or more than one.
    """
    runs = (among or all_runs)(results)
    if name is None or name == LATEST:
        if not runs:
            raise ConfigError(f"{results}: no run yet; `run.py` makes one")
        return runs[0]
    exact = [run for run in runs if run.name == name]
    matching = exact or [run for run in runs if run.name.startswith((name, f"run{name}"))]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ConfigError(f"{results}: '{name}' is the beginning of several runs: {_names(matching)}")
    raise ConfigError(f"{results}: no run '{name}'; the newest are: {_names(runs) or 'none'}")


def run_folder(path: str | None) -> Path | None:
    """The folder of a run that was called by its path; None for a name, or the path of something else."""
    folder = Path(path or "")
    return folder if path and any((folder / name).is_file() for name in (REPORT_FILE, PLAN_FILE)) else None


def resumable_runs(results: Path) -> list[Path]:
    """Return the folders that have a plan.json, finished or not, the newest first."""
    return _having(results, PLAN_FILE)


def all_runs(results: Path) -> list[Path]:
    """Return the folders that have one of the two, the newest first."""
    return _having(results, REPORT_FILE, PLAN_FILE)


def _having(results: Path, *names: str) -> list[Path]:
    folders = {path.parent for name in names for path in results.glob(f"*/{name}") if not path.parent.is_symlink()}
    return sorted(folders, key=lambda folder: folder.name, reverse=True)


def point_latest(folder: Path) -> None:
    """Let `latest`, beside the run's folder, point to it, unless it points to a newer one; whoever looks sees the old run or the
    new one. Raises OSError."""
    latest = folder.parent / LATEST
    if latest.exists() and latest.resolve().name > folder.name:
        return
    temporary = folder.parent / f".{LATEST}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name, target_is_directory=True)
    temporary.replace(latest)


def remove_run(folder: Path) -> None:
    """Remove a run's folder, and let `latest` point to the newest of the others. Raises OSError."""
    shutil.rmtree(folder)
    latest, others = folder.parent / LATEST, all_runs(folder.parent)
    if others:
        point_latest(others[0])
    elif latest.is_symlink() and not latest.exists():
        latest.unlink()


def _names(runs: list[Path]) -> str:
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return ", ".join(run.name for run in runs[:SHOWN]) + more
