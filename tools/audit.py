"""Compliance checks in the spirit of MLPerf's audits: is what was timed the same work as what was judged, and all of it?"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from itertools import islice
from statistics import median
from typing import Any, Dict, List, Sequence, Tuple

from tools.contract import Check, Reason
from tools.outputs import sample_outputs
from tools.sut import Clock, TimedSUT
from tools.workload import Workload

MOST_GAIN = 0.10
"""A sample that is repeated may be faster than distinct ones by this share."""

TOLERANCE = 1e-3
"""How far two outputs for one input may be apart, as a share of the largest absolute output: kernels may add in another order,
int8 may round to a neighbour."""

ROUNDS = 12
CALLS = 5
PAUSE = 0.002
NUDGE = 1e-5
MOST_BATCHES = 16
SEED = 1

_Outputs = Dict[int, List[Any]]


def audit(engine: Any, workload: Workload, clock: Clock = time.perf_counter_ns) -> Tuple[Check, ...]:
    """Make all checks on the first batches of the case's data.

    Source: https://github.com/mlcommons/inference/tree/master/compliance (TEST01: accuracy in performance mode, TEST04: caching).
    """
    batches = list(islice(workload.dataloader, MOST_BATCHES))
    return (
        _performance_equals_accuracy(engine, workload, batches, clock),
        _repeated_is_not_faster(engine, workload, batches, clock),
        _order_does_not_matter(engine, workload, batches, clock),
    )


def audit_reasons(checks: Sequence[Check]) -> List[Reason]:
    """Why an audited case must not be quoted."""
    return [Reason("audit", "{}: {}".format(check.name, check.detail)) for check in checks if check.passed is False]


def _performance_equals_accuracy(engine: Any, workload: Workload, batches: Sequence[Any], clock: Clock) -> Check:
    """The outputs of the second of two passes sent back to back against those of single queries with a pause before each."""
    order = range(len(batches))
    _outputs(engine, workload, batches, order, clock)
    timed, single = _outputs(engine, workload, batches, order, clock), {}
    for index in order:
        time.sleep(PAUSE)
        single.update(_outputs(engine, workload, batches, [index], clock))
    return _compared("outputs in performance mode equal those in accuracy mode", timed, single)


def _repeated_is_not_faster(engine: Any, workload: Workload, batches: Sequence[Any], clock: Clock) -> Check:
    """Medians of batches sent again and again and of inputs never sent before, in turns: the machine's mood hits both."""
    name = "a repeated sample is not faster than distinct ones"
    timed: Dict[bool, Any] = {new: _Altered(TimedSUT(engine, clock), new) for new in (True, False)}
    for number in range(ROUNDS):
        for new in (True, False):
            for _ in range(CALLS):
                workload.forward(timed[new], batches[number % len(batches)], workload.config)
    if not timed[True].altered:
        return Check(name, None, "the inputs are whole numbers, which cannot be made new without being made wrong")
    gain = 1 - median(timed[False].sut.latencies_ns) / median(timed[True].sut.latencies_ns)
    detail = "it takes {:.1f} % less time ({:.0f} % are allowed)".format(100 * gain, 100 * MOST_GAIN)
    return Check(name, gain <= MOST_GAIN, detail)


class _Altered:
    """A timed SUT whose inputs are copies, each `new` one a little different from all before, in the last bits of its values."""

    def __init__(self, sut: TimedSUT, new: bool) -> None:
        self.sut, self._new, self.altered, self._step = sut, new, False, 0

    def __call__(self, inputs: Sequence[Any]) -> List[Any]:
        self._step += 1
        return self.sut([self._copy(value) for value in inputs])

    def _copy(self, value: Any) -> Any:
        if not hasattr(value, "is_floating_point") or not value.is_floating_point():
            return value
        self.altered = True
        return value * (1 + NUDGE * self._step) + NUDGE * self._step if self._new else value.clone()


def _order_does_not_matter(engine: Any, workload: Workload, batches: Sequence[Any], clock: Clock) -> Check:
    """The outputs for the same batches in order and in another order."""
    order = list(range(len(batches)))
    in_order = _outputs(engine, workload, batches, order, clock)
    random.Random(SEED).shuffle(order)  # noqa: S311 - an order, not a secret
    return _compared("shuffled order gives the same outputs", in_order, _outputs(engine, workload, batches, order, clock))


def _outputs(engine: Any, workload: Workload, batches: Sequence[Any], order: Sequence[int], clock: Clock) -> _Outputs:
    """Copies of the outputs by the index of their batch, queried in this order."""
    listed = replace(workload, dataloader=[batches[index] for index in order])
    return dict(zip(order, sample_outputs(engine, listed, clock)))


def _compared(name: str, these: _Outputs, those: _Outputs) -> Check:
    both = sorted(set(these) & set(those))
    if not both:
        return Check(name, None, "the case's outputs are no tensors")
    worst = max(_distance(one, other) for index in both for one, other in zip(these[index], those[index]))
    text = "over {} batches they differ by {:.2g} of the largest output at most ({:g} is allowed)"
    return Check(name, worst <= TOLERANCE, text.format(len(both), worst, TOLERANCE))


def _distance(one: Any, other: Any) -> float:
    """The largest absolute difference as a share of the largest absolute value; infinite where a side is NaN, or where only one
    is infinite."""
    if one.shape != other.shape:
        return float("inf")
    left, right = one.double(), other.double()
    finite = left.isfinite() & right.isfinite()
    if bool((left[~finite] != right[~finite]).any()):  # NaN is not equal to itself
        return float("inf")
    if not bool(finite.any()):
        return 0.0
    scale = float(right[finite].abs().max()) or 1.0
    return float((left[finite] - right[finite]).abs().max()) / scale
