"""Runs a test in a process of its own: what it counts (memory, threads, open files) is then not what earlier tests left there."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

SECONDS = 120


def alone(test: Callable[..., None]) -> Callable[..., None]:
    """Let a test run in a fresh interpreter, to which its fixtures are copied; its errors are raised here."""

    @functools.wraps(test)
    def apart(**fixtures: Any) -> None:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            process.submit(_run, test.__module__, test.__name__, fixtures).result(timeout=SECONDS)

    return apart


def _run(module: str, name: str, fixtures: dict[str, Any]) -> None:
    getattr(importlib.import_module(module), name).__wrapped__(**fixtures)
