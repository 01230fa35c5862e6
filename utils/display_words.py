"""How the display words what a guest says of its progress."""

from __future__ import annotations

from typing import Literal

from rich.console import Console

from tools.contract import STEPS, Progress
from utils.runtime.masking import clean

PLAIN_SECONDS = 10.0
"""In plain lines, a step that goes on says how far it is this often."""

STEP_NAMES = dict(STEPS)


def overflow(console: Console) -> Literal["crop", "ellipsis"]:
    """How a line ends that is too long for the terminal: where its encoding may lack the one character, three would not fit."""
    return "crop" if console.options.ascii_only else "ellipsis"


def step_title(progress: Progress) -> str:
    """`step c of a-g, framework validation`."""
    return f"step {clean(progress.step[:1])} of a-g, {STEP_NAMES.get(progress.step, '?')}"


def how_far(progress: Progress) -> str:
    """`1,200 of 6,750 batches`, or without the total where it is unknown."""
    total = f" of {progress.total:,}" if progress.total else ""
    return f"{progress.done:,}{total} {clean(progress.unit[:20])}"
