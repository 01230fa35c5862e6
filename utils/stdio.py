"""What run.py prints without rich: a line, and what went wrong. What others wrote steers no terminal here, either."""

from __future__ import annotations

import sys

from utils.plain_text import plain
from utils.runtime.masking import clean, masked


def say(text: str) -> None:
    """Print a text."""
    print(plain(text))  # noqa: T201


def complain(problem: object) -> None:
    """Print to stderr what went wrong."""
    print(f"run.py: {clean(masked(str(problem)))}", file=sys.stderr)  # noqa: T201
