"""The user whose process this is, host or guest."""

from __future__ import annotations

import getpass
import os
from pathlib import Path


def name_the_user() -> None:
    """Let a user id that has no name, as after `--user 12345`, go by its number and have / for a home: libraries ask for both,
    and children inherit that. Once, before anything asks."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
