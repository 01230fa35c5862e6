"""`run.py run`: from a plan to the report on disk and in the terminal."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger
from rich.console import Console

from tools.errors import AccelmarkError
from utils.dispatch import run_plan
from utils.display import make_display
from utils.ownership import first_missing, give_to_caller
from utils.report.build import write
from utils.report.load import LATEST, point_latest
from utils.report.terminal import print_report
from utils.text_log import appending

if TYPE_CHECKING:
    from utils.plan import RunPlan
    from utils.report.schema import Report

LOG_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <8} {message}"
CALLER_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <8} {name}:{function}:{line} {message}"


def run_and_report(plan: RunPlan, strict: bool) -> int:
    """Run, write the report, print it, and return the exit code. Raises AccelmarkError when results cannot be written."""
    console = Console(highlight=False)
    made = first_missing(plan.results / plan.run_id)
    plan = _with_folder(plan)
    folder = plan.results / plan.run_id
    try:
        failures: list[OSError] = []
        hosts = tuple(host.host for host in plan.hosts)
        with _host_log(folder / "host.out.log", plan), make_display(console, hosts) as display:
            report = run_plan(plan, display, lambda report: failures.extend(_keep(report, folder)), strict)
    finally:
        give_to_caller((made, folder, plan.results / LATEST, *written_beside(plan)))
    print_report(report, console, None if failures else folder)
    if failures:
        raise AccelmarkError(f"{folder}: the report cannot be written: {failures[0]}; free some space, the figures are above")
    return report.run.exit_code


def _keep(report: Report, folder: Path) -> list[OSError]:
    """Write the report; return what a full disk says to that, as the figures can still be printed."""
    try:
        write(report, folder)
        point_latest(folder)
    except OSError as error:
        return [error]
    return []


def _with_folder(plan: RunPlan) -> RunPlan:
    """Make the run's folder; two runs in one second get two names. Raises AccelmarkError where it cannot be made."""
    name = plan.run_id
    for number in range(1, 100):
        try:
            (plan.results / name).mkdir(parents=True)
        except FileExistsError:
            name = f"{plan.run_id}_{number}"
        except OSError as error:
            raise AccelmarkError(f"{plan.results}: no folder for results can be made: {error}; set FLAGPERF_LOG_PATH") from error
        else:
            return dataclasses.replace(plan, run_id=name)
    raise AccelmarkError(f"{plan.results}: there are 100 runs of this second already")


def written_beside(plan: RunPlan) -> list[Path]:
    """Where a run writes on this machine beside its results: exported models, the code where it is copied to, pip's packages."""
    places = [plan.checkout / "onnxs"]
    if Path(plan.code_path) != plan.checkout and not all(host.ssh for host in plan.hosts):
        places.append(Path(plan.code_path))
    if plan.runtime == "process" and Path(sys.prefix).is_relative_to(plan.checkout):
        places.append(Path(sys.prefix))
    return places


@contextmanager
def _host_log(path: Path, plan: RunPlan) -> Iterator[None]:
    """The host's own log: a file at the level asked for; the terminal belongs to the display."""
    logger.remove()
    form = CALLER_FORMAT if plan.log_calls else LOG_FORMAT
    with appending(path) as append:
        sink = logger.add(
            lambda line: append(line.rstrip("\n")), level=plan.log_level, format=form, backtrace=False, diagnose=False
        )
        logger.info("{} of {}: {}", plan.run_id, plan.config_file, ", ".join(case.name for case in plan.cases))
        try:
            yield
        finally:
            logger.remove(sink)
