"""`run.py run`: from a plan to the report on disk and in the terminal."""

from __future__ import annotations

import dataclasses
import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from tools.contract import FAILED, INVALID
from tools.errors import AccelmarkError, ConfigError, HostBusy
from utils.console import PlainConsole
from utils.dispatch import run_plan, signals_held_back
from utils.display import make_display
from utils.leftovers import remove_temporaries, remove_tunnels
from utils.ownership import first_missing, give_to_caller
from utils.record import new_record, owned
from utils.report.build import HOST_LOG, build_report, exit_code
from utils.report.load import LATEST, PLAN_FILE, load, point_latest, remove_run
from utils.report.pages import FILES, Failure, show, tell, write
from utils.resume import missing, request_record, take_up
from utils.stdio import say
from utils.text_log import appending

if TYPE_CHECKING:
    from utils.display import Display
    from utils.plan import RunPlan
    from utils.planning import Request
    from utils.record import Record
    from utils.report.schema import Report

LOG_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <8} {message}"
CALLER_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <8} {name}:{function}:{line} {message}"


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Manner:
    """How a run is made, beside its plan: `strict` accepts only OK, `waits` for hosts that another run uses."""

    strict: bool = False
    waits: bool = False


@signals_held_back()
def run_and_report(plan: RunPlan, request: Request, manner: Manner) -> int:
    """Run, write the report, print it, and return the exit code; once the run has a folder, Ctrl-C leaves a report in it.
    Raises AccelmarkError when results cannot be written, HostBusy when other runs have all hosts; then nothing is left of this
    one."""
    remove_tunnels()
    made = first_missing(plan.results / plan.run_id)
    plan = _with_folder(plan)
    folder = plan.results / plan.run_id
    try:
        with owned(folder):
            head = build_report(plan, [], time.time(), 0.0).run
            return _run(plan, new_record(plan, request_record(request, plan.mask), head), manner)
    except HostBusy:
        remove_run(folder)
        raise
    finally:
        give_to_caller((made, folder, plan.results / LATEST, *written_beside(plan)))


@signals_held_back()
def resume_and_report(folder: Path, request: Request | None, checkout: Path, manner: Manner, retry_failed: bool) -> int:
    """Do what is missing of a run and report on all of it; `request` where the command line was typed again. Raises ConfigError
    when it would not measure the same any more, HostBusy while it is still going on, and what run_and_report raises."""
    with owned(folder):
        plan, record = take_up(folder, request, checkout, retry_failed)
        remove_temporaries(folder)
        left = missing(plan, record)
        report = _complete(record)
        if report is not None:
            say(_nothing_left(report))
            tell(show(report, folder), folder)
            return exit_code(report, manner.strict)
        say(f"resuming {folder.name}; to do: {', '.join(left) or 'nothing but its report'}")
        try:
            return _run(plan, record, manner)
        finally:
            give_to_caller((folder, plan.results / LATEST, *written_beside(plan)))


def _complete(record: Record) -> Report | None:
    """The run's report where it is whole: all its files, with `latest` at them, and all that is put away in it."""
    folder = record.folder
    if not all((folder / name).is_file() for name in FILES):
        return None
    if not ((folder.parent / LATEST).exists() and (folder.parent / LATEST).resolve().name >= folder.name):
        return None
    report = load(folder)
    known = {(f"{case.case}:{case.framework}", case.rank): case for case in report.cases}
    return report if known == record.kept else None


def _nothing_left(report: Report) -> str:
    failed = [status for status in (FAILED, INVALID) if report.run.summary.get(status)]
    remedy = f"; --retry-failed repeats what is {' or '.join(failed)}" if failed else ""
    return f"nothing is left to do of {report.run.id}{remedy}"


def _run(plan: RunPlan, record: Record, manner: Manner) -> int:
    console = PlainConsole()
    folder = record.folder
    failures: list[Failure] = []
    hosts = tuple(host.host for host in plan.hosts)
    with _host_log(folder / HOST_LOG, plan), make_display(console, hosts, plan.mask) as display:
        _write(record, display)
        _tell(plan, display)
        keep = partial(_keep, folder=folder, failures=failures)
        report = run_plan(plan, display, keep, manner.strict, record=record, waits=manner.waits)
    unwritten = [failure.error for failure in failures if isinstance(failure.error, OSError)]
    shown = show(report, None if unwritten else folder, console)
    tell([failure for failure in (*failures, *shown) if failure.error not in unwritten], folder)
    if unwritten:
        raise AccelmarkError(f"{folder}: the report cannot be written: {unwritten[0]}; free some space, the figures are above")
    return report.run.exit_code


def _write(record: Record, display: Display) -> None:
    """Put the plan away, with which the run can be found; a disk that is too full for it may still have room for results, and the
    terminal has."""
    try:
        record.write()
    except OSError as error:
        display.message(f"{record.folder}/{PLAN_FILE} cannot be written, so this run cannot be resumed: {error}; free some space")
    with suppress(OSError):  # it is tried again with the report, which says why it failed
        point_latest(record.folder)


def _tell(plan: RunPlan, display: Display) -> None:
    """Say what a reader should know of the configuration: all of it in the log, and what deserves a look to who waits."""
    for level, text in plan.remarks:
        logger.log(level, "{}", text)
        if level == "WARNING":
            display.message(f"note: {text}")


def _keep(report: Report, folder: Path, failures: list[Failure]) -> None:
    """Write the report; what a full disk or a bug says to that goes to `failures`, as the figures can still be printed."""
    failures += write(report, folder)
    try:
        point_latest(folder)
    except OSError as error:
        failures.append(Failure(LATEST, error))


def _with_folder(plan: RunPlan) -> RunPlan:
    """Make the run's folder; two runs in one second get two names. Raises ConfigError where it cannot be made, AccelmarkError
    where there is no room for it."""
    name = plan.run_id
    for number in range(1, 100):
        try:
            (plan.results / name).mkdir(parents=True)
        except FileExistsError:
            name = f"{plan.run_id}_{number}"
        except OSError as error:
            raise _no_folder(plan, error) from error
        else:
            return dataclasses.replace(plan, run_id=name)
    raise AccelmarkError(f"{plan.results}: there are 100 runs of this second already")


def _no_folder(plan: RunPlan, error: OSError) -> AccelmarkError:
    """Why there is no folder for results: for want of room, or as FLAGPERF_LOG_PATH names a place where none can be made."""
    message = f"{plan.results}: no folder for results can be made: {error}"
    if error.errno in NO_ROOM:
        return AccelmarkError(f"{message}; free some space, or set FLAGPERF_LOG_PATH")
    where = plan.host_config["FLAGPERF_LOG_PATH"]["origin"]
    return ConfigError(f"{where}: FLAGPERF_LOG_PATH: {message}; name a folder that you can write to")


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
            lambda line: append(plan.mask(line.rstrip("\n"))), level=plan.log_level, format=form, backtrace=False, diagnose=False
        )
        logger.info("{} of {}: {}", plan.run_id, plan.config_file, ", ".join(case.name for case in plan.cases))
        try:
            yield
        finally:
            logger.remove(sink)
