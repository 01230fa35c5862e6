"""The timed SUT: an engine that times itself, which is what a case calls instead of a clock."""

from __future__ import annotations

import time
from typing import Any, Callable, List, Sequence

from tools.errors import CaseCrash
from tools.figures import Reason

Clock = Callable[[], int]


class TimedSUT:
    """Calls an engine and keeps each query's latency in ns, copies to the CPU included and foo_time subtracted; `ended_ns` is
    when the last one ended, on `clock`, and `outputs` what it gave."""

    __slots__ = ("_clock", "_engine", "core_ns", "ended_ns", "foo_seconds", "latencies_ns", "outputs")

    def __init__(self, engine: Any, clock: Clock = time.perf_counter_ns) -> None:
        self._engine = engine
        self._clock = clock
        self.latencies_ns: List[int] = []
        self.core_ns = 0
        self.ended_ns = 0
        self.foo_seconds = 0.0
        self.outputs: Any = None

    def __call__(self, inputs: Sequence[Any]) -> List[Any]:
        """Run one query: CPU tensors in, a list of CPU tensors out.

        Raises CaseCrash when the engine returns something else than `(tensors, foo_time)`, or a foo_time that cannot be.
        """
        clock, engine = self._clock, self._engine
        began = clock()
        answer = engine(inputs)
        try:
            outputs, foo_seconds = answer
            tensors = [output.cpu() for output in outputs] if isinstance(outputs, (list, tuple)) else outputs.cpu()
        except (AttributeError, TypeError, ValueError) as error:
            raise CaseCrash(_not_an_answer(answer)) from error
        self.ended_ns = ended = clock()
        latency = ended - began
        if foo_seconds:
            if not 0.0 < foo_seconds * 1e9 <= latency:
                raise CaseCrash("the engine says {} s of a query of {} s were foo_time".format(foo_seconds, latency / 1e9))
            self.foo_seconds += foo_seconds
            latency -= int(foo_seconds * 1e9)
        self.core_ns += latency
        self.latencies_ns.append(latency)
        self.outputs = tensors
        return tensors if isinstance(tensors, list) else list(tensors)


def foo_doubts(foo_seconds: float, what_of_them: str = "are subtracted") -> List[Reason]:
    """The doubt of an engine that declared time as spent on other than inference."""
    text = "the engine declared {:.6f} s of foo_time, which {}; review what it does in them"
    return [Reason("foo_time", text.format(foo_seconds, what_of_them))] if foo_seconds else []


def untimed(engine: Any) -> Any:
    """The engine as a case's forward calls it, where nobody measures."""
    return lambda inputs: list(engine(inputs)[0])


def _not_an_answer(answer: Any) -> str:
    return "the engine must return (list of tensors or one stacked tensor, foo_time in seconds), but returned " + _shape_of(
        answer
    )


def _shape_of(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) <= 8:
        inside = ", ".join(_shape_of(item) for item in value)
        return ("({})" if isinstance(value, tuple) else "[{}]").format(inside)
    return type(value).__name__
