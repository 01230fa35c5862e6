"""A look at outputs in a case that has a loop of its own, as FlagPerf's have: it returns three numbers, and no outputs."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from typing import Any, Callable, Iterator, Sequence

from loguru import logger

from tools.dense import settled
from tools.device import device_waits
from tools.difference import WRONG_OUTPUTS
from tools.figures import Reason
from tools.finite import Finiteness, floating, tensors_of
from tools.kept_outputs import KeptOutputs
from tools.late_outputs import GRACE_NS
from tools.measure import Measurement

NOT_VERIFIED = "not verified"

_LATE = (
    "the engine's outputs still change when nobody calls it: it returns before they are written, so that its launches were "
    "timed; let its __call__ wait until they are"
)
_LAZY = "the engine returned a {}, which is computed when its values are asked for: did the case's own loop time that?"


def looked_at(measured: Measurement, forward: Callable[[Any, Any], Any], subject: Any, dataloader: Any) -> Measurement:
    """What a case measured, with the reasons that its outputs give where its loop was its own."""
    if measured.workload is not None:
        return measured
    doubts = (*measured.phase.doubts, *output_reasons(forward, subject, dataloader))
    return replace(measured, phase=replace(measured.phase, doubts=doubts))


def output_reasons(forward: Callable[[Any, Any], Any], subject: Any, dataloader: Any) -> Sequence[Reason]:
    """Why the numbers of a case's own loop must not be quoted, or are not verified, by its outputs for the first batch.

    `forward(subject, dataloader)` is the case's model_forward or engine_forward, `subject` its model or its engine. It is called
    once more for this, after the measurement, so that nothing is looked at while the case measures.
    """
    seen = _Seen()
    try:
        with _watched(subject, seen) as watched:
            forward(watched, _FirstBatch(dataloader))
        late = seen.changes_afterwards()
    except Exception as error:
        logger.opt(exception=error).warning("the outputs of the case's own loop were not looked at")
        return (Reason(NOT_VERIFIED, "its outputs could not be looked at: {}: {}".format(type(error).__name__, error)),)
    if not seen.calls:
        return (
            Reason(NOT_VERIFIED, "the case's own loop called neither its model nor its engine, so no outputs were looked at"),
        )
    if not seen.tensors:
        return (Reason(NOT_VERIFIED, "no tensor and no array was found in the outputs, so none was looked at"),)
    lazy = (Reason(NOT_VERIFIED, _LAZY.format(seen.lazy)),) if seen.lazy else ()
    return (*seen.finiteness.reasons(), *((Reason(WRONG_OUTPUTS, _LATE),) if late else ()), *lazy)


class _Seen:
    """What was seen of outputs so far."""

    def __init__(self) -> None:
        self.calls = self.tensors = 0
        self.lazy = ""
        self.last: Sequence[Any] = ()
        self.finiteness = Finiteness()

    def see(self, outputs: Any) -> None:
        self.calls += 1
        self.tensors += sum(1 for _ in tensors_of(outputs))
        tensors = list(floating(outputs))
        if tensors:
            items = len(tensors[0]) if tensors[0].ndim else 1
            self.finiteness.look(tensors, SimpleNamespace(items=items))

    def see_answer(self, answer: Any) -> None:
        """Look at what an engine returned."""
        tensors = settled(answer, device_waits())[0]
        self.see(tensors)
        given = answer[0] if isinstance(answer[0], (list, tuple)) else [answer[0]]
        self.lazy = next((type(each).__name__ for each in given if next(tensors_of(each), None) is None), self.lazy)
        self.last = tensors if isinstance(tensors, list) else [tensors]

    def changes_afterwards(self) -> bool:
        """Whether what an engine returned last changes while nobody calls it; looks GRACE_NS after the case has its outputs."""
        outputs = KeptOutputs(self.last, (), 0)
        time.sleep(GRACE_NS / 1e9 if self.last else 0.0)
        return outputs.has_changed


class _FirstBatch:
    """A loader's first batch alone; all else is the loader's own."""

    def __init__(self, dataloader: Any) -> None:
        self._dataloader = dataloader

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self._dataloader), 1)

    def __len__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataloader, name)


class _WatchedEngine:
    """An engine whose outputs are seen; all else is the engine's own."""

    def __init__(self, engine: Any, seen: _Seen) -> None:
        self._engine, self._seen = engine, seen

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        answer = self._engine(*inputs, **named)
        self._seen.see_answer(answer)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@contextmanager
def _watched(subject: Any, seen: _Seen) -> Iterator[Any]:
    """An engine, or a framework's model, whose outputs are seen. A model stays what it is, as cases do more with it."""
    if not hasattr(subject, "register_forward_hook"):
        yield _WatchedEngine(subject, seen)
        return
    hook = subject.register_forward_hook(lambda *of_call: seen.see(of_call[-1]))
    try:
        yield subject
    finally:
        hook.remove()
