"""The timed SUT: an engine that times itself, which is what a case calls instead of a clock."""

from __future__ import annotations

import time
from typing import Any, Callable, List, Optional, Sequence

from tools.dense import settled
from tools.device import device_waits
from tools.errors import CaseCrash
from tools.figures import Reason
from tools.kept_outputs import MOST_BYTES, KeptOutputs

Clock = Callable[[], int]


class TimedSUT:
    """Calls an engine and keeps each query's latency in ns, devices waited for and copies to the CPU included, foo_time
    subtracted; `ended_ns` is when the last one ended, on `clock`, and `outputs` what it gave.

    The outputs of the first query, the second, the fourth and so on are `kept`, to be looked at again once they cannot but be
    written: `most_bytes` of them, those of the first query always. The case gets copies of these, as it may write into what it
    gets.
    """

    __slots__ = (
        "_clock", "_engine", "_keep_at", "_most_bytes", "_waits",
        "core_ns", "ended_ns", "foo_seconds", "kept", "latencies_ns", "outputs",
    )  # fmt: skip

    def __init__(self, engine: Any, clock: Clock = time.perf_counter_ns, most_bytes: int = MOST_BYTES) -> None:
        self._engine = engine
        self._clock = clock
        self._most_bytes = most_bytes
        self._waits: Optional[Sequence[Callable[[], Any]]] = None
        self._keep_at = 1
        self.kept: List[KeptOutputs] = []
        self.latencies_ns: List[int] = []
        self.core_ns = 0
        self.ended_ns = 0
        self.foo_seconds = 0.0
        self.outputs: Any = None

    def __call__(self, inputs: Sequence[Any]) -> List[Any]:
        """Run one query: CPU tensors in, a list of dense CPU tensors out, their values written.

        Raises CaseCrash when the engine returns something else than `(tensors, foo_time)`, or a foo_time that cannot be.
        """
        clock, engine = self._clock, self._engine
        began = clock()
        answer = engine(inputs)
        if self._waits is None:  # listed now and then, and only now, as an engine may take a device in any query
            self._waits = device_waits()
        tensors, foo_seconds = settled(answer, self._waits)
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
        if len(self.latencies_ns) == self._keep_at:
            return self._keep(inputs, tensors)
        return tensors if isinstance(tensors, list) else list(tensors)

    def _keep(self, inputs: Sequence[Any], tensors: Any) -> List[Any]:
        """Keep a query's outputs where there is room for them, and give copies of what is kept. List the devices again."""
        self._waits = None
        outputs = KeptOutputs(list(tensors), inputs, self.ended_ns)
        if self.kept and sum(kept.size for kept in (*self.kept, outputs)) > self._most_bytes:
            self._keep_at = 0
            return list(tensors)
        self.kept.append(outputs)
        self._keep_at *= 2
        return outputs.copies()


def foo_doubts(foo_seconds: float, what_of_them: str = "are subtracted") -> List[Reason]:
    """The doubt of an engine that declared time as spent on other than inference."""
    text = "the engine declared {:.6f} s of foo_time, which {}; review what it does in them"
    return [Reason("foo_time", text.format(foo_seconds, what_of_them))] if foo_seconds else []
