"""The command line of run.py: what can be typed, and which part of the project answers. Heavy imports wait for their command."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
REPORT_READS = ("FLAGPERF_LOG_PATH",)
CLEAN_READS = (
    "FLAGPERF_PATH", "FLAGPERF_LOG_PATH", "HOSTS", "SSH_PORT", "RUNTIME", "CONNECTION", "SSH_USER", "SSH_KEY",
    "SSH_KNOWN_HOSTS", "SSH_TRUST_FIRST_USE", "HOST_OPTIONS",
)  # fmt: skip
"""Keys of host.yaml without which `report` and `clean` cannot do; the others need not be right for them."""

OPTIONS: dict[str, dict[str, Any]] = {
    "--config": {"metavar": "FILE", "help": f"a host.yaml; default: {DEFAULT_CONFIG}"},
    "--case": {"action": "append", "default": [], "help": "only this case of CASES; repeatable"},
    "--vendor": {"help": "instead of VENDOR"},
    "--set": {"action": "append", "default": [], "metavar": "KEY=VALUE", "help": "override one key; repeatable"},
}
"""What more than one command takes; each has only what changes something for it."""

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
        _check_named_config(options)
        return command(options)
    except AccelmarkError as error:
        complain(error)
        return error.exit_code
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
    _add(commands, "check", _check, "tell what would happen and what is missing, without starting anything", *OPTIONS)
    inventory = _add(commands, "list", _list, "show cases, vendors, frameworks and engines")
    inventory.add_argument("--json", action="store_true", help="machine-readable")
    report = _add(commands, "report", _report, "print a finished run again, and make its pages that are missing", "--config")
    report.add_argument("run", nargs="?", help="its folder, or the beginning of its name; default: the newest")
    report.add_argument("--markdown", action="store_true", help="print report.md, for a pull request")
    text = "end guests and monitors of killed runs, and remove Accelmark's containers, folders of guests and images"
    clean = _add(commands, "clean", _clean, text, "--config", "--set")
    clean.add_argument("--keep-images", action="store_true", help="leave the images")
    words = list(arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "run")
    return parser.parse_args(words)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = _add(commands, "run", _run, "run the cases and report (the default)", *OPTIONS)
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
    *options: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    for option in options:
        parser.add_argument(option, **OPTIONS[option])
    parser.set_defaults(command=command)
    return parser


def _check_named_config(options: argparse.Namespace) -> None:
    """A file that was named must be there, also where a command could do without; an empty name may be an unset variable's."""
    given = vars(options)
    name = given.get("config")
    for option, values in {"config": [name], "case": given.get("case", []), "vendor": [given.get("vendor")]}.items():
        if "" in values:
            raise ConfigError(f"--{option} is empty; is a variable of the shell not set?")
    if name is not None and not Path(name).exists():
        raise ConfigError(f"{name}: no such file")


def _request(options: argparse.Namespace) -> Request:
    from utils.planning import Request  # noqa: PLC0415

    path = Path(options.config) if options.config else _shown(CHECKOUT / DEFAULT_CONFIG)
    given = vars(options)
    return Request(path, tuple(given.get("case", ())), given.get("vendor"), tuple(given.get("set", ())))


def _shown(path: Path) -> Path:
    """Relative to where the user stands, if it lies below: that is how they would call it."""
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
        results = _results(options)
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
    from utils.ownership import give_to_caller  # noqa: PLC0415
    from utils.report.load import find_run, load, run_folder  # noqa: PLC0415
    from utils.report.markdown import markdown  # noqa: PLC0415
    from utils.report.pages import show, tell, write_missing  # noqa: PLC0415

    folder = run_folder(options.run) or find_run(_results(options), options.run)
    if not (folder / "report.json").is_file():
        return _report_unfinished(folder.resolve())
    report, page = load(folder), folder / "report.md"
    failures = write_missing(report, folder)
    if options.markdown:
        asked = [failure for failure in failures if failure.what == page.name]
        if not asked:
            say(page.read_text(encoding="utf-8") if page.is_file() else markdown(report))
    else:
        asked = show(report, folder)
        failures += asked
    tell(failures, folder)
    give_to_caller((folder,))
    return 1 if asked else 0


def _report_unfinished(folder: Path) -> int:
    from utils.report.pages import show, tell  # noqa: PLC0415
    from utils.report.unfinished import advice, so_far  # noqa: PLC0415

    report = so_far(folder)
    failures = show(report) if report.cases else []
    say(advice(folder, report))
    tell(failures, folder)
    return 1 if failures else 0


def _clean(options: argparse.Namespace) -> int:
    from tools.config_manager import nearest, parse_setting  # noqa: PLC0415
    from utils.cleaning import clean_hosts  # noqa: PLC0415

    for key, _ in map(parse_setting, options.set):
        if key not in CLEAN_READS:
            raise ConfigError(f"--set {key}: clean does not read that key{nearest(key, CLEAN_READS)}")
    return clean_hosts(_plan_without_cases(options, CLEAN_READS), images=not options.keep_images)


def _results(options: argparse.Namespace) -> Path:
    """Where runs lie."""
    return _plan_without_cases(options, REPORT_READS).results


def _plan_without_cases(options: argparse.Namespace, keys: Collection[str]) -> RunPlan:
    from utils.planning import plan_without_cases  # noqa: PLC0415

    return plan_without_cases(_request(options), CHECKOUT, keys)
