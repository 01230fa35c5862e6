"""The guest's log: stdout for whoever looks on, container.out.log for afterwards."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Callable

from loguru import logger

LOG_FILE = "container.out.log"

_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {message}"
_CALLER_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {name}:{function}:{line} | {message}"


def init_logger(log_dir: Path, level: str, callers: bool = False) -> None:
    """Log from `level` on to stdout and to `log_dir`, which is made if need be; `callers` says who logged. Raises OSError.

    Tracebacks show no values of variables: those may be secrets, or whole tensors.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    logger.remove()
    for sink in (sys.stdout, _appending_to(log_dir / LOG_FILE)):
        logger.add(sink, level=level, format=_CALLER_FORMAT if callers else _FORMAT, backtrace=False, diagnose=False)


def _appending_to(path: Path) -> Callable[[str], None]:
    """A sink that a full disk ends, and nothing else with it."""
    stream = path.open("ab", buffering=0)

    def append(line: str) -> None:
        with suppress(OSError):
            stream.write(line.encode("utf-8"))

    return append
