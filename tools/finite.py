"""Whether an engine's outputs are numbers: NaN never is one, and an item with nothing but infinities has none."""

from __future__ import annotations

import math
from dataclasses import is_dataclass
from typing import Any, Iterator, Sequence, Tuple

import numpy as np

from tools.difference import WRONG_OUTPUTS
from tools.figures import Reason
from tools.sut import TimedSUT

EVERY_NS = 200_000
"""Outputs that nobody scores are looked at once in so much core time, which is each batch unless it takes less."""

REMEDY = "look for a diverged checkpoint, or take a precision with more range, as fp32 has"


class Finiteness:
    """Counts the items whose outputs are no numbers; `due_ns` is the core time at which to look at unscored ones again.

    A -inf beside numbers is no fault by itself: a mask may put it there. It is one where the reference has a number. A +inf is
    what overflows, and wins every comparison, so it always is one.
    """

    __slots__ = ("due_ns", "infinite", "items", "nan", "overflown")

    def __init__(self) -> None:
        self.items = self.nan = self.infinite = self.overflown = 0
        self.due_ns = 0

    def see(self, outputs: Any, batch: Any, sut: TimedSUT) -> None:
        """Look at what a case made of one batch, or at the engine's last outputs themselves where it made no numbers of them."""
        self.due_ns = sut.core_ns + EVERY_NS
        self.look(list(floating(outputs)) or list(floating(sut.outputs)), batch)

    def look(self, tensors: Sequence[Any], batch: Any) -> None:
        """Look at tensors of one batch."""
        self.items += batch.items
        if any(not math.isfinite(abs(tensor.sum().item())) for tensor in tensors):
            kinds = zip(*(_by_item(tensor, batch) for tensor in tensors))
            nan, finite, above = (np.any(flags, axis=0) for flags in kinds)
            self.nan += int(nan.sum())
            self.infinite += int((~finite & ~nan).sum())
            self.overflown += int((above & finite & ~nan).sum())

    def reasons(self) -> Sequence[Reason]:
        """Why what they are outputs of must not be quoted; none where all are numbers."""
        counts = (("NaN in", self.nan), ("no finite value in", self.infinite), ("+inf in", self.overflown))
        texts = ["{} the outputs of {:,} of {:,} items".format(what, count, self.items) for what, count in counts if count]
        return (Reason(WRONG_OUTPUTS, "{}; {}".format(", ".join(texts), REMEDY)),) if texts else ()


def floating(outputs: Any) -> Iterator[Any]:
    """Those of `tensors_of` that are not of whole numbers, and not empty; float8, which torch only stores, as fp32."""
    for tensor in tensors_of(outputs):
        if hasattr(tensor, "is_floating_point"):
            if (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel():
                yield tensor.float() if tensor.element_size() == 1 else tensor
        elif tensor.dtype.kind in "fc" and tensor.size:
            yield tensor


def tensors_of(outputs: Any) -> Iterator[Any]:
    """The tensors and arrays in any nest of lists, mappings and dataclasses."""
    if isinstance(outputs, (list, tuple)):
        for output in outputs:
            yield from tensors_of(output)
    elif isinstance(outputs, dict):
        yield from tensors_of(list(outputs.values()))
    elif is_dataclass(outputs):
        yield from tensors_of(list(vars(outputs).values()))
    elif hasattr(outputs, "is_floating_point") or isinstance(outputs, np.ndarray):
        yield outputs


def _by_item(tensor: Any, batch: Any) -> Tuple[Any, Any, Any]:
    """For each real item whether the tensor has NaN, any finite value, and +inf (of complex values, any infinity); the same for
    all where the first dimension is not the batch's."""
    array = tensor
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    is_batch = array.ndim and len(array) in (batch.items, getattr(batch, "size", None))
    rows = array[: batch.items].reshape(batch.items, -1) if is_batch else array.reshape(1, -1)
    above = np.isinf(rows) if np.iscomplexobj(rows) else np.isposinf(rows)
    flags = (np.isnan(rows), np.isfinite(rows), above)
    return tuple(np.broadcast_to(each.any(axis=1), batch.items) for each in flags)  # type: ignore[return-value]
