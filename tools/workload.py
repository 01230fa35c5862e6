"""What a case lets anybody run on its engine: its data, its way from a batch to outputs, and its judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, List, Optional

from tools.sut import TimedSUT

Forward = Callable[[TimedSUT, Any, Any], Any]
"""`(sut, batch, config) -> outputs`: the case's own way from one batch to its outputs, through one or many queries."""

Evaluator = Callable[[Any, Any], Any]
"""`(outputs, batch)` -> a score summed over the batch's items, or `(correct, total)`, or None where there is no truth."""


@dataclass(frozen=True)
class Workload:
    """One case's data, forward and evaluator under one config: enough to drive its engine in any way of asking."""

    dataloader: Any
    forward: Forward
    evaluator: Optional[Evaluator]
    config: Any

    @property
    def samples(self) -> int:
        """How many single items `batch` can pick from; 0 where the loader is no torch DataLoader over an indexed data set."""
        dataset = getattr(self.dataloader, "dataset", None)
        if dataset is None or not hasattr(self.dataloader, "collate_fn"):
            return 0
        return len(dataset) if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") else 0

    def item(self, index: int) -> Any:
        """One item of the data set, as the loader would collate it."""
        return self.dataloader.dataset[index]

    def collate(self, items: List[Any]) -> Any:
        """The batch of these items, as the loader would make it."""
        return self.dataloader.collate_fn(items)

    def batch(self, indices: List[int]) -> Any:
        """The batch of just the items of these indices."""
        return self.collate([self.item(index) for index in indices])
