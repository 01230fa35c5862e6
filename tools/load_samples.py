"""The samples that MLPerf's loadgen picks its queries from, and what their outputs score."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from tools.figures import Reason
from tools.finite import Finiteness
from tools.outputs import check_outputs
from tools.sut import TimedSUT
from tools.workload import Workload

Witness = Callable[[Sequence[int], Any], None]
"""`(indices, outputs)` of one batch, in the query's own time: it may keep them, but not look."""


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
        self._finiteness = Finiteness()

    def fresh(self, indices: Sequence[int]) -> List[int]:
        """Those not seen before: MultiStream fills its last query with samples that it has sent already."""
        with self._lock:
            new = [index for index in indices if index not in self._seen]
            self._seen.update(new)
        return new

    def __call__(self, outputs: Any, batch: Any, sut: TimedSUT) -> None:
        """Count one batch, which `sut` computed. Raises CaseCrash for outputs that cannot be right."""
        check_outputs(outputs, batch)
        score = self._evaluator(outputs, batch) if self._evaluator else None
        with self._lock:
            self._finiteness.see(outputs, batch, sut)
            if score is not None:
                correct, judged = score if isinstance(score, tuple) else (score, batch.items)
                self._correct += float(correct)
                self._judged += int(judged)

    @property
    def accuracy(self) -> Optional[float]:
        """The score per sample; None where there is no truth."""
        return self._correct / self._judged if self._judged else None

    def reasons(self) -> Sequence[Reason]:
        """Why the scenario must not be quoted: outputs that are no numbers."""
        return self._finiteness.reasons()


class Work:
    """What a query asks of the engine: the outputs of one batch of `samples`. `judge` sees those of each sample once, `witness`
    those of all batches with their samples' indices."""

    def __init__(
        self, workload: Workload, samples: Samples, judge: Optional[Judge] = None, witness: Optional[Witness] = None
    ) -> None:
        self.samples, self.workload, self.batch_size = samples, workload, workload.config.batch_size
        self._batch, self._forward, self._config = samples.batch, workload.forward, workload.config
        self._judge, self._witness = judge, witness

    def __call__(self, indices: Sequence[int], sut: TimedSUT) -> None:
        """Compute them; raises whatever the case, the engine or the judge raise."""
        if self._judge is not None:
            indices = self._judge.fresh(indices)
            if not indices:
                return
        batch = self._batch(indices)
        outputs = self._forward(sut, batch, self._config)
        if self._judge is not None:
            self._judge(outputs, batch, sut)
        if self._witness is not None:
            self._witness(indices, outputs)
