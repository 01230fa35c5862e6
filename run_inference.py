"""Runs one case on this machine, in a container or not: the seven steps, by hand or started by run.py."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

from tools.contract import FAILED, RESULT_FILE, Progress, Reason, Result, to_json, write_atomically
from tools.errors import AccelmarkError, ConfigError, Interrupted
from tools.streams import prepare_streams
from tools.user import name_the_user

_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
_EXIT_CODES = {"CONFIG": ConfigError.exit_code, "INTERRUPTED": Interrupted.exit_code}
_PACKAGES = {"yaml": "PyYAML"}


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the case that the command line names and return the exit code: 0 OK or TAINTED, 1 not, 2 configuration, 130
    interrupted."""
    options = parser().parse_args(arguments)
    _end_orderly_when_told()
    name_the_user()
    try:
        return exit_code(_run(options))
    except ModuleNotFoundError as error:
        return _package_missing(error, options)
    except (AccelmarkError, OSError) as error:
        _say("run_inference.py: {}".format(error), sys.stderr)
        return getattr(error, "exit_code", 1)
    except KeyboardInterrupt:
        return Interrupted.exit_code


def parser() -> argparse.ArgumentParser:
    """The command line; wrong arguments end the program with exit code 2."""
    made = argparse.ArgumentParser(prog="run_inference.py", description=__doc__, allow_abbrev=False)
    made.add_argument("--perf_dir", type=_absolute, default=_absolute(__file__).parent, help="folder of the project")
    made.add_argument("--data_dir", required=True, help="the case's data, or the name of a data set that is built into it")
    made.add_argument("--log_dir", type=_absolute, required=True, help="where result.json and the log go; made if missing")
    made.add_argument("--loglevel", type=str.upper, required=True, choices=_LEVELS, help="the least level that is logged")
    made.add_argument("--case", required=True, help="a folder of benchmarks/")
    made.add_argument("--vendor", required=True, help="a folder of inference_engine/")
    made.add_argument("--framework", required=True, help="as in host.yaml, with or without version: pytorch_2.13")
    config = made.add_mutually_exclusive_group()
    config.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one key; repeatable")
    config.add_argument("--config", type=_absolute, metavar="FILE", help="the config as run.py resolved it, instead of configs/")
    made.add_argument("--log_calls", action="store_true", help="log lines say which function wrote them")
    made.add_argument("--progress", action="store_true", help="print machine-readable progress lines")
    return made


def exit_code(result: Result) -> int:
    """0 if the result may be quoted, with doubts or without; else what its reason class says."""
    if result.status in ("OK", "TAINTED"):
        return 0
    return _EXIT_CODES.get(result.reasons[0].kind, 1) if result.reasons else 1


def _run(options: argparse.Namespace) -> Result:
    """The imports wait until here, since a package that is missing shall be named, and leave a result."""
    from tools.init_logger import init_logger  # noqa: PLC0415
    from tools.pipeline import Request, run  # noqa: PLC0415
    from tools.progress import ignore, reported_to  # noqa: PLC0415
    from tools.summary import in_words  # noqa: PLC0415

    init_logger(options.log_dir, options.loglevel, options.log_calls)
    with reported_to(_print_progress if options.progress else ignore):
        result = run(
            Request(
                perf_dir=options.perf_dir,
                data_dir=options.data_dir,
                log_dir=options.log_dir,
                case=options.case,
                vendor=options.vendor,
                framework=options.framework,
                settings=tuple(options.set),
                config=options.config,
            )
        )
    _say(in_words(result, options.log_dir / RESULT_FILE))
    return result


def _end_orderly_when_told() -> None:
    """Let the first SIGINT or SIGTERM unwind the program, so that the result is written; later ones cannot disturb that.

    A data loader's workers inherit this, and end the same way; torch would raise an error for that, amid the unwinding.
    """

    def interrupt(number: int, frame: Any) -> None:
        del number, frame
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupt)


def _package_missing(error: ModuleNotFoundError, options: argparse.Namespace) -> int:
    """Say which of the guest's own packages to install, and leave a result that says it too."""
    package = _PACKAGES.get(str(error.name), str(error.name))
    message = "the package {0} is missing: {1} -m pip install {0}".format(package, sys.executable)
    _say("run_inference.py: " + message, sys.stderr)
    result = Result(options.case, options.framework, options.vendor, status=FAILED, reasons=[Reason("CRASH", message)])
    options.log_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(options.log_dir / RESULT_FILE, to_json(result))
    return 1


def _absolute(path: str) -> Path:
    return Path(path).resolve()


def _print_progress(progress: Progress) -> None:
    _say(progress.line())


def _say(text: str, stream: Any = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)


if __name__ == "__main__":
    streams = prepare_streams()
    sys.exit(streams.finish("run_inference.py", main()))
