"""Outputs of some queries, kept to be looked at again: tensors, or numpy's arrays, and what was in them at first."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

MOST_BYTES = 64 << 20
"""How much is kept of what a measurement's SUTs give, together; of each SUT's first query always all."""

MOST_ELEMENTS = 1 << 16
"""How many elements of a tensor are compared: evenly over it, the last one among them, as that is written last."""


class KeptOutputs:
    """One query's outputs, dense, and what some of their elements were when it ended, at `ended_ns`.

    What lies over one of the `inputs` is not among `tensors`: it is the caller's own memory, as a cache that goes in and out.
    """

    def __init__(self, outputs: Sequence[Any], inputs: Sequence[Any], ended_ns: int) -> None:
        self.ended_ns, self._outputs = ended_ns, outputs
        given = [tensor for tensor in inputs if _has_memory(tensor)]
        self.tensors = [output for output in outputs if not _overlap([output], given)]
        self._elements = [_some(tensor) for tensor in self.tensors]

    @property
    def has_changed(self) -> bool:
        """Whether other values are in them by now."""
        return not all(_same(_some(tensor), before) for tensor, before in zip(self.tensors, self._elements))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(end - begin for begin, end in map(_span, self.tensors))

    def copies(self) -> List[Any]:
        """All outputs, `tensors` in memory of their own."""
        return [_copy(output) if any(output is tensor for tensor in self.tensors) else output for output in self._outputs]

    def shares_memory(self, other: KeptOutputs) -> bool:
        """Whether a tensor of another query lies where one of these does."""
        return _overlap(self.tensors, other.tensors)


def _overlap(these: Sequence[Any], those: Sequence[Any]) -> bool:
    spans = [_span(tensor) for tensor in those]
    return any(begin < its_end and its_begin < end for begin, end in map(_span, these) for its_begin, its_end in spans)


def _has_memory(tensor: Any) -> bool:
    """Whether it lies in one piece of memory, as a sparse tensor does not."""
    return hasattr(tensor, "ctypes") or (hasattr(tensor, "data_ptr") and "strided" in str(tensor.layout))


def _some(tensor: Any) -> Any:
    """A copy of some elements."""
    flat = (tensor.detach() if hasattr(tensor, "detach") else tensor).reshape(-1)
    step = max(1, -(-len(flat) // MOST_ELEMENTS))
    return _copy(flat[(len(flat) - 1) % step :: step])


def _copy(tensor: Any) -> Any:
    return tensor.clone() if hasattr(tensor, "clone") else tensor.copy()


def _same(one: Any, other: Any) -> bool:
    """Whether all values are the same ones; NaN is NaN."""
    return bool(((one == other) | ((one != one) & (other != other))).all())  # noqa: PLR0124 - what NaN alone is


def _span(tensor: Any) -> Tuple[int, int]:
    """The addresses from which to which a dense tensor lies."""
    if hasattr(tensor, "data_ptr"):
        return tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size()
    return tensor.ctypes.data, tensor.ctypes.data + tensor.nbytes
