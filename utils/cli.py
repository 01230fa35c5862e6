"""The command line of run.py: what can be typed, and which part of the project answers. Heavy imports wait for their command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from tools.errors import AccelmarkError, ConfigError, NoCaseError
from utils.runtime.masking import masked
from utils.stdio import complain, say

if TYPE_CHECKING:
    from loguru import Record

    from utils.plan import RunPlan
    from utils.planning import Request
    from utils.running import Manner

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_CONFIG = "configs/host.yaml"

STUDIES = {
    "audit": "check that what is timed is the same work as what is judged: outputs, caching, order (--set audit=true)",
    "profile": "keep one profiled pass of framework and engine beside the measurement (--set profile=true)",
}

EXAMPLES = """
examples:
  python3 run.py                                    every case of configs/host.yaml
  python3 run.py --config my.local.yaml             another host.yaml
  python3 run.py run --case digits --set batch_size=16
  python3 run.py run --audit --profile              with compliance checks and the costliest operators
  python3 run.py run --resume                       finish the newest run, however it ended
  python3 run.py check                              what would happen, and what is missing
exit codes: 0 every case OK or TAINTED, 1 some case is not, 2 configuration, 3 a host or its engine can't be reached,
  4 no case to run, 130 interrupted
"""


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says and return the exit code. Errors are printed here, without a traceback."""
    options = parse(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    logger.configure(patcher=_plainly)
    try:
        return command(options)
    except AccelmarkError as error:
        complain(error)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(error)
        return 1


def _plainly(record: Record) -> None:
    """Let no log, wherever it goes, say what a terminal would obey."""
    record["message"] = masked(record["message"])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `run` is what is meant where no command stands first. Wrong arguments exit with 2."""
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Accelmark measures AI accelerators on inference: cases on hosts, one merged report.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands (run, where none is given)")
    _add_run(commands)
    _add(commands, "check", _check, "tell what would happen and what is missing, without starting anything")
    _add(commands, "list", _list, "show cases, vendors, frameworks and engines", narrowing=False).add_argument(
        "--json", action="store_true", help="machine-readable"
    )
    report = _add(commands, "report", _report, "print a finished run again", narrowing=False)
    report.add_argument("run", nargs="?", help="its folder, or the beginning of its name; default: the newest")
    report.add_argument("--markdown", action="store_true", help="print report.md, for a pull request")
    clean = _add(commands, "clean", _clean, "remove what bears our labels: containers, monitors left behind, images")
    clean.add_argument("--keep-images", action="store_true", help="remove containers and monitors only")
    words = list(arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "run")
    return parser.parse_args(words)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = _add(commands, "run", _run, "run the cases and report (the default)")
    run.add_argument("--strict", action="store_true", help="exit with 0 only if every case is OK, not TAINTED")
    run.add_argument("--wait", action="store_true", help="wait for a host that another run uses, instead of leaving it out")
    run.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="finish what is missing of a run that ended early, by its folder or the beginning of its name; default: the newest",
    )
    run.add_argument("--retry-failed", action="store_true", help="with --resume: repeat what FAILED or is INVALID, too")
    for name, text in STUDIES.items():
        run.add_argument("--" + name, dest="set", action="append_const", const=f"{name}=true", help=text)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
    narrowing: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("--config", default=None, metavar="FILE", help=f"a host.yaml; default: {DEFAULT_CONFIG}")
    if narrowing:
        parser.add_argument("--case", action="append", default=[], help="only this case of CASES; repeatable")
        parser.add_argument("--vendor", help="instead of VENDOR")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one key; repeatable")
    parser.set_defaults(command=command)
    return parser


def _request(options: argparse.Namespace) -> Request:
    from utils.planning import Request  # noqa: PLC0415

    path = Path(options.config) if options.config else _shown(CHECKOUT / DEFAULT_CONFIG)
    narrowed = hasattr(options, "case")
    return Request(
        path,
        tuple(options.case) if narrowed else (),
        options.vendor if narrowed else None,
        tuple(options.set) if narrowed else (),
    )


def _shown(path: Path) -> Path:
    """Relative to where the user stands, if it lies below: that is how he would call it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _run(options: argparse.Namespace) -> int:
    from utils.running import Manner  # noqa: PLC0415

    manner = Manner(options.strict, options.wait)
    if options.resume is not None:
        return _resume(options, manner)
    if options.retry_failed:
        raise ConfigError("--retry-failed goes with --resume")
    return _begin(options, manner)


def _begin(options: argparse.Namespace, manner: Manner) -> int:
    from utils.planning import plan_run  # noqa: PLC0415
    from utils.running import run_and_report  # noqa: PLC0415

    request = _request(options)
    plan = plan_run(request, CHECKOUT)
    if not plan.cases:
        raise NoCaseError(f"{plan.config_file}: no case to run")
    return run_and_report(plan, request, manner)


def _resume(options: argparse.Namespace, manner: Manner) -> int:
    from utils.report.load import find_run, resumable_runs, run_folder  # noqa: PLC0415
    from utils.running import resume_and_report  # noqa: PLC0415

    folder = run_folder(options.resume)
    if folder is None:
        results = _plan(options).results
        if not options.resume and not resumable_runs(results):
            say(f"{results}: no run to resume, so this begins one")
            return _begin(options, manner)
        folder = find_run(results, options.resume or None, resumable_runs)
    typed = options.config or options.case or options.vendor or options.set
    return resume_and_report(folder.resolve(), _request(options) if typed else None, CHECKOUT, manner, options.retry_failed)


def _check(options: argparse.Namespace) -> int:
    from utils.check import check, exit_code, print_findings  # noqa: PLC0415
    from utils.console import PlainConsole  # noqa: PLC0415
    from utils.planning import examine  # noqa: PLC0415

    findings = check(examine(_request(options), CHECKOUT))
    print_findings(findings, PlainConsole())
    return exit_code(findings)


def _list(options: argparse.Namespace) -> int:
    from utils.console import PlainConsole  # noqa: PLC0415
    from utils.listing import inventory, print_inventory  # noqa: PLC0415

    found = inventory(CHECKOUT)
    if options.json:
        say(json.dumps(found, indent=1))
    else:
        print_inventory(found, PlainConsole())
    return 0


def _report(options: argparse.Namespace) -> int:
    from utils.report.load import find_run, load, run_folder  # noqa: PLC0415
    from utils.report.terminal import print_report  # noqa: PLC0415

    folder = run_folder(options.run) or find_run(_plan(options).results, options.run)
    if not (folder / "report.json").is_file():
        return _report_unfinished(folder)
    if options.markdown:
        say((folder / "report.md").read_text(encoding="utf-8"))
    else:
        print_report(load(folder), folder=folder)
    return 0


def _report_unfinished(folder: Path) -> int:
    from utils.report.terminal import print_report  # noqa: PLC0415
    from utils.report.unfinished import advice, so_far  # noqa: PLC0415

    report = so_far(folder)
    if report.cases:
        print_report(report)
    say(advice(folder, report))
    return 0


def _clean(options: argparse.Namespace) -> int:
    from utils.cleaning import clean_hosts  # noqa: PLC0415

    return clean_hosts(_plan(options), images=not options.keep_images)


def _plan(options: argparse.Namespace) -> RunPlan:
    from utils.planning import examine  # noqa: PLC0415

    return examine(_request(options), CHECKOUT).plan
