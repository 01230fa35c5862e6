"""The samples that MLPerf's loadgen picks its queries from, and what their outputs score."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Optional, Sequence, Set

from tools.outputs import check_outputs
from tools.workload import Workload


class Samples:
    """The items that loadgen has loaded: single ones as ready batches, those of longer queries to be collated in the query."""

    def __init__(self, workload: Workload, singly: bool, together: bool) -> None:
        self._workload, self._singly, self._together = workload, singly, together
        self._ready: Dict[int, Any] = {}
        self._items: Dict[int, Any] = {}

    def load(self, indices: Sequence[int]) -> None:
        """Read items; not timed."""
        for index in indices:
            item = self._workload.item(index)
            if self._together:
                self._items[index] = item
            if self._singly:
                self._ready[index] = self._workload.collate([item])

    def unload(self, indices: Sequence[int]) -> None:
        """Forget them."""
        for index in indices:
            self._items.pop(index, None)
            self._ready.pop(index, None)

    def batch(self, indices: Sequence[int]) -> Any:
        """The batch of loaded items."""
        if self._singly and len(indices) == 1:
            return self._ready[indices[0]]
        return self._workload.collate([self._items[index] for index in indices])


class Judge:
    """Holds each sample's outputs to the truth, once."""

    def __init__(self, workload: Workload) -> None:
        self._evaluator = workload.evaluator
        self._seen: Set[int] = set()
        self._lock = threading.Lock()
        self._correct, self._judged = 0.0, 0

    def fresh(self, indices: Sequence[int]) -> List[int]:
        """Those not seen before: MultiStream fills its last query with samples that it has sent already."""
        with self._lock:
            new = [index for index in indices if index not in self._seen]
            self._seen.update(new)
        return new

    def __call__(self, outputs: Any, batch: Any) -> None:
        """Count one batch. Raises CaseCrash for outputs that cannot be right."""
        check_outputs(outputs, batch)
        score = self._evaluator(outputs, batch) if self._evaluator else None
        if score is None:
            return
        correct, judged = score if isinstance(score, tuple) else (score, batch.items)
        with self._lock:
            self._correct += float(correct)
            self._judged += int(judged)

    @property
    def accuracy(self) -> Optional[float]:
        """The score per sample; None where there is no truth."""
        return self._correct / self._judged if self._judged else None
