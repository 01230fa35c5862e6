"""Puts a report before people, in files and in the terminal, each on its own: a bug in one of them costs that one alone."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tools.contract import write_atomically
from utils.report.build import HOST_LOG, REPORT_FILE, to_json
from utils.report.html import html
from utils.report.markdown import markdown
from utils.report.schema import Report
from utils.report.terminal import print_report
from utils.runtime.masking import masked
from utils.stdio import complain
from utils.text_log import appending

FILES: Mapping[str, Callable[[Report, Path], str]] = {
    REPORT_FILE: lambda report, _: to_json(report),
    "report.md": lambda report, _: markdown(report),
    "report.html": html,
}
"""The files of a finished run, each with what makes its text; the first has all that the others show."""


@dataclass(frozen=True)
class Failure:
    """A file, or the terminal's table, that could not be made: for the disk (OSError), or by a bug."""

    what: str
    error: Exception


def write(report: Report, folder: Path, names: Sequence[str] = tuple(FILES)) -> list[Failure]:
    """Write the files into the run's folder, each whole or not at all, and return what failed."""
    failures = []
    for name in names:
        try:
            write_atomically(folder / name, FILES[name](report, folder))
        except OSError as error:
            failures.append(Failure(name, error))
        except Exception as error:
            (folder / name).unlink(missing_ok=True)  # a resumed run has an older one, which says something else
            failures.append(Failure(name, error))
    return failures


def write_missing(report: Report, folder: Path) -> list[Failure]:
    """Write the files that a run lacks beside its report.json; return those that a bug keeps from being made."""
    failures = write(report, folder, [name for name in FILES if not (folder / name).exists()])
    return [failure for failure in failures if not isinstance(failure.error, OSError)]


def show(report: Report, folder: Path | None = None, console: Console | None = None) -> list[Failure]:
    """Print the report and return what failed; `folder` as in print_report."""
    try:
        print_report(report, console, folder)
    except Exception as error:
        return [Failure("the table in the terminal", error)]
    return []


def tell(failures: Sequence[Failure], folder: Path) -> None:
    """Say in a line what a bug has cost and what to do, and put its traceback into the run's log."""
    for failure in failures:
        error = failure.error
        why = f"{type(error).__name__}: {error}"
        figures = REPORT_FILE if (folder / REPORT_FILE).is_file() else "the cases' folders"
        lost = f"{folder.name}: {failure.what} cannot be made: {why}; that is a bug of Accelmark's, all figures are in {figures}"
        remedy = f"report it with {HOST_LOG}; once it is mended, `run.py report {folder.name}` makes up for it"
        complain(f"{lost}: {remedy}")
        with suppress(OSError), appending(folder / HOST_LOG) as append:
            append(masked("".join(traceback.format_exception(error))))
