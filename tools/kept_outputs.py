"""Outputs of some queries, kept to be looked at again: tensors, or numpy's arrays, and what was in them at first."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

MOST_BYTES = 64 << 20
"""How much one SUT keeps; the outputs of its first query always."""

MOST_ELEMENTS = 1 << 16
"""How many elements of a tensor are compared: evenly over it, the last one among them, as that is written last."""


class KeptOutputs:
    """One query's outputs, dense, and what some of their elements were when it ended, at `ended_ns`."""

    def __init__(self, tensors: Sequence[Any], ended_ns: int) -> None:
        self.tensors, self.ended_ns = tensors, ended_ns
        self._elements = [_some(tensor) for tensor in tensors]

    @property
    def has_changed(self) -> bool:
        """Whether other values are in them by now."""
        return not all(_same(_some(tensor), before) for tensor, before in zip(self.tensors, self._elements))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(end - begin for begin, end in map(_span, self.tensors))

    def copies(self) -> List[Any]:
        """The same tensors in memory of their own."""
        return [_copy(tensor) for tensor in self.tensors]

    def shares_memory(self, tensors: Sequence[Any]) -> bool:
        """Whether any of `tensors` lies where one of these does."""
        spans = [_span(tensor) for tensor in tensors]
        return any(begin < end and other < its_end for begin, its_end in map(_span, self.tensors) for other, end in spans)


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
