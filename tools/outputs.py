"""An engine's outputs: held to what the batch says of them, and some of them kept for comparison."""

from __future__ import annotations

from typing import Any, List, Sequence

from tools.errors import CaseCrash
from tools.sut import Clock, TimedSUT
from tools.workload import Workload

MOST_BATCHES = 1024
MOST_BYTES = 64 << 20
MOST_NS = 3_000_000_000
"""How much is kept: enough to compare with, never so much that it costs more than the measurement."""


def check_outputs(outputs: Any, batch: Any) -> None:
    """Hold outputs to what the batch says of them. Raises CaseCrash naming what came and what was expected."""
    tensors = outputs if isinstance(outputs, (list, tuple)) else (outputs,)
    expected = getattr(batch, "expected_outputs", None)
    if expected is not None and len(tensors) != expected:
        raise CaseCrash("wrong outputs: {} came, {} expected".format(_shapes(tensors), _count(expected)))
    size = getattr(batch, "size", None)
    if size is None:
        return
    for tensor in tensors:
        shape = getattr(tensor, "shape", None)
        if not shape or shape[0] != size:
            raise CaseCrash("wrong outputs: {} came, first dimension {} expected (the batch)".format(_shapes(tensors), size))


def sample_outputs(engine: Any, workload: Workload, clock: Clock) -> List[List[Any]]:
    """Copies of the outputs for the first batches, real items only, by queries of their own that nobody measures.

    Bounded by MOST_BATCHES, MOST_BYTES and MOST_NS; empty where a forward makes something else than tensors.
    """
    kept: List[List[Any]] = []
    sut, began, size = TimedSUT(engine, clock), clock(), 0
    for batch in workload.dataloader:
        outputs = workload.forward(sut, batch, workload.config)
        tensors = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        if not all(hasattr(tensor, "clone") and hasattr(tensor, "element_size") for tensor in tensors):
            return []
        kept.append([_real_items(tensor, batch).clone() for tensor in tensors])
        size += sum(tensor.numel() * tensor.element_size() for tensor in kept[-1])
        if len(kept) >= MOST_BATCHES or size >= MOST_BYTES or clock() - began >= MOST_NS:
            break
    return kept


def _real_items(tensor: Any, batch: Any) -> Any:
    """Without the padding that fills the last batch."""
    return tensor[: batch.items] if getattr(batch, "size", None) == tensor.shape[0] else tensor


def _count(number: int) -> str:
    return "1 tensor" if number == 1 else "{} tensors".format(number)


def _shapes(tensors: Sequence[Any]) -> str:
    shapes = [str(list(tensor.shape)) if hasattr(tensor, "shape") else type(tensor).__name__ for tensor in tensors[:8]]
    more = ", …" if len(tensors) > 8 else ""
    return "{} ({}{})".format(_count(len(tensors)), ", ".join(shapes), more)
