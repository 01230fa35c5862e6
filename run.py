#!/usr/bin/env python3
"""Accelmark's host entry: run (the default), check, list, report, clean. See `python3 run.py --help`."""

import importlib.util
import os
import sys
from pathlib import Path

PACKAGES = ("yaml", "pydantic", "paramiko", "docker", "loguru", "rich", "jinja2", "plotly", "numpy", "psutil")
ENVIRONMENT = Path(__file__).resolve().parent / ".venv" / "bin" / "python"


def use_environment() -> None:
    """Go on with the Python that `make setup` prepared when this one lacks what is needed, as under plain `sudo python3`."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if sys.version_info >= (3, 10) and not missing:
        return
    if ENVIRONMENT.exists() and Path(sys.prefix).resolve() != ENVIRONMENT.parent.parent:
        os.execv(str(ENVIRONMENT), [str(ENVIRONMENT), *sys.argv])  # noqa: S606
    why = "lacks " + ", ".join(missing) if missing else "is older than Python 3.10"
    sys.exit("run.py: {} {}; run 'make setup' once, it makes the virtual environment .venv".format(sys.executable, why))


def leave_no_bytecode() -> None:
    """Under sudo, write no __pycache__ that root would own in the caller's folders; guests inherit that."""
    if "SUDO_UID" in os.environ:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


if __name__ == "__main__":
    try:
        use_environment()
        leave_no_bytecode()
        from tools.streams import prepare_streams
        from tools.user import name_the_user

        name_the_user()
        streams = prepare_streams()
        from utils.cli import main

        sys.exit(streams.finish("run.py", main(sys.argv[1:])))
    except KeyboardInterrupt:
        print("run.py: interrupted", file=sys.stderr)
        sys.exit(130)
