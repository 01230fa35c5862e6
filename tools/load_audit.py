"""Whether an engine computes under loadgen's performance test what it computes in its accuracy test."""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Dict, List, Optional, Sequence, Set, Tuple

from tools.contract import Check
from tools.difference import WRONG_OUTPUTS, difference, verdict

MOST_BATCHES = 32
MOST_BYTES = 32 << 20
"""How much is kept of the first batches, and as much again of the last ones."""

_Batch = Tuple[Sequence[int], Any]
_Rows = List[Any]


class LoadAudit:
    """The outputs of one scenario's performance test, of its first and its last batches, beside those for the same samples in its
    accuracy test.

    As batches are put together differently there, the outputs are held to the precision's floor of cosine similarity, sample by
    sample.
    """

    def __init__(self, scenario: str, precision: str) -> None:
        self._name, self._precision = scenario + ": outputs in performance mode equal those in accuracy mode", precision
        self._first: List[_Batch] = []
        self._last: Deque[_Batch] = deque(maxlen=MOST_BATCHES)
        self._most: Optional[int] = None
        self._wanted: Optional[Set[int]] = None
        self._judged: Dict[int, _Rows] = {}

    def timed(self, indices: Sequence[int], outputs: Any) -> None:
        """Keep one batch of the performance test as it is: a copy would be timed."""
        if self._most is None:
            self._most = max(1, min(MOST_BATCHES, MOST_BYTES // max(1, _bytes(outputs))))
            self._last = deque(maxlen=self._most)
        kept = self._first if len(self._first) < self._most else self._last
        kept.append((indices, outputs))

    def judged(self, indices: Sequence[int], outputs: Any) -> None:
        """Keep what a batch of the accuracy test has of the samples that were kept; they are known by then."""
        if self._wanted is None:
            self._wanted = {index for known, _ in (*self._first, *self._last) for index in known}
        for index, rows in _by_sample(indices, outputs):
            if index in self._wanted:
                self._judged[index] = [row.clone() for row in rows]

    def check(self) -> Check:
        """Compare them."""
        timed = [pair for indices, outputs in (*self._first, *self._last) for pair in _by_sample(indices, outputs)]
        pairs = [(rows, self._judged[index]) for index, rows in timed if index in self._judged]
        pairs = [(mine, its) for mine, its in pairs if [row.shape for row in mine] == [row.shape for row in its]]
        found = difference([mine for mine, _ in pairs], [its for _, its in pairs], "accuracy test")
        if found is None:
            return Check(self._name, None, "the case's outputs are no tensors with one row for each sample")
        wrong = [reason.message for reason in verdict(found, self._precision) if reason.kind == WRONG_OUTPUTS]
        text = "over {} samples their cosine similarity is {:.4f} at worst"
        lowest = 1.0 if found.lowest_cosine is None else found.lowest_cosine
        return Check(self._name, not wrong, wrong[0] if wrong else text.format(len(pairs), lowest))


def _by_sample(indices: Sequence[int], outputs: Any) -> List[Tuple[int, _Rows]]:
    """Each sample's own rows; none where the outputs are something else."""
    tensors = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if not tensors or not all(hasattr(tensor, "clone") and len(tensor.shape) > 1 for tensor in tensors):
        return []
    if any(len(tensor) < len(indices) for tensor in tensors):
        return []
    return [(index, [tensor[place] for tensor in tensors]) for place, index in enumerate(indices)]


def _bytes(outputs: Any) -> int:
    tensors = outputs if isinstance(outputs, (list, tuple)) else (outputs,)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if hasattr(tensor, "element_size"))
