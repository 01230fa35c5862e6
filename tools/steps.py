"""The recorder of the seven steps: when each began, how long it took, its peak memory and how it ended."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from loguru import logger

from tools.contract import STEPS, Progress, Reason, StepResult
from tools.device import device_peak_bytes, is_out_of_memory, reset_device_peak
from tools.errors import AccelmarkError
from tools.loader_workers import explained
from tools.memory import PeakMemory
from tools.progress import report

NAMES: Dict[str, str] = dict(STEPS)

_LONGEST_MESSAGE = 800

Peaks = Tuple[Optional[int], Optional[int]]
"""Bytes of the process, and of the framework's device allocator."""

_EXPLAINED = ("CONFIG", "INTERRUPTED")
"""What needs no traceback."""


class StepFailed(Exception):
    """A step ended with an error; `reason` is what the result says of it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Steps:
    """Records steps as they run; every step that never ran is skipped in the end."""

    def __init__(self, now: Callable[[], float] = time.time, clock: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._clock = now, clock
        self._done: Dict[str, StepResult] = {}
        self._memory = PeakMemory()
        self._peaks: Optional[Peaks] = None
        self._failed = ""

    @contextmanager
    def step(self, letter: str, instead: str = "") -> Iterator[None]:
        """Run and record one step; `instead` is what it does in place of its work, where that makes it count as skipped.

        Raises StepFailed from whatever error the step ends with, Ctrl-C and `exit()` included.
        """
        title = "step {} ({})".format(letter, NAMES[letter])
        self._memory, self._peaks = PeakMemory(), None
        started, began = self._now(), self._clock()
        outcome, detail = ("skipped", instead) if instead else ("ok", "")
        try:
            logger.info("{} begins", title)
            report(Progress(letter))  # from here on the step is known to run, so that Ctrl-C has to find it running
            reset_device_peak()
            yield
        except BaseException as error:
            outcome, self._failed = "failed", letter
            reason = reason_for(title, error)
            detail = reason.message
            logger.opt(exception=None if reason.kind in _EXPLAINED else error).error("{}", detail)
            raise StepFailed(reason) from error
        finally:
            seconds = self._clock() - began
            peaks = self._peaks or self._peaks_now()
            self._done[letter] = StepResult(letter, NAMES[letter], outcome, started, seconds, *peaks, detail)
            logger.info("{} ends: {}, {:.3f} s", title, outcome, seconds)

    def settle_peaks(self) -> None:
        """Let the running step's memory be its peak up to now: what follows in it (a sweep, an audit) is not the model's."""
        self._peaks = self._peaks_now()

    def _peaks_now(self) -> Peaks:
        return self._memory.peak_bytes(), device_peak_bytes()

    def skip(self, letters: str, detail: str) -> None:
        """Record steps that are not to run, and why."""
        for letter in letters:
            self._done[letter] = StepResult(letter, NAMES[letter], "skipped", detail=detail)
            logger.info("step {} ({}) skipped: {}", letter, NAMES[letter], detail)

    def results(self) -> Tuple[StepResult, ...]:
        """All seven steps in order."""
        after = "step {} failed".format(self._failed) if self._failed else "not reached"
        found: List[StepResult] = []
        for letter, name in STEPS:
            found.append(self._done.get(letter) or StepResult(letter, name, "skipped", detail=after))
        return tuple(found)


def reason_for(title: str, error: BaseException) -> Reason:
    """Why a step's error fails the case: the error's own reason class, OOM where memory ran out, else CRASH."""
    error = explained(error)
    return Reason(_kind(error), "{}: {}".format(title, _message(error)))


def _kind(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "INTERRUPTED"
    if isinstance(error, AccelmarkError) and error.reason != "CRASH":
        return error.reason
    return "OOM" if is_out_of_memory(error) else "CRASH"


def _message(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return "the case or its engine ended the program with exit({!r})".format(error.code)
    text = " ".join(str(error).split())
    if len(text) > _LONGEST_MESSAGE:
        text = text[:_LONGEST_MESSAGE] + " …"
    if isinstance(error, AccelmarkError):
        return text
    return "{}: {}".format(type(error).__name__, text) if text else type(error).__name__
