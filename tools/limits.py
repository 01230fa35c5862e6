"""Which items of a data set a run takes: all of them, or `data_percent` and `max_samples` of them, spread evenly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple


@dataclass(frozen=True)
class Limited:
    """Some items of `dataset`, at `indices`; a data set itself, that a torch DataLoader takes."""

    dataset: Any
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]


def limited(dataset: Any, config: Any) -> Any:
    """`dataset` (anything with a length and an index), or what `config.data_percent` and `config.max_samples` leave of it.

    Both hold: the smaller number of items counts, and at least one. They are spread evenly over the data set, as the first ones
    may all be of one class.
    """
    count = max(1, round(len(dataset) * config.data_percent / 100))
    count = min(count, config.max_samples or count)
    if count >= len(dataset):
        return dataset
    return Limited(dataset, spread(len(dataset), count))


def spread(total: int, count: int) -> List[int]:
    """The indices of `count` of `total` items, evenly over them and in their order; all where there are no more."""
    count = min(count, total)
    return [place * total // count for place in range(count)]


def limit_notes(dataloader: Any, config: Any) -> Tuple[str, ...]:
    """What to say of a case that has a loop of its own and does not heed `config.max_samples`; a loader without a length says
    nothing of its items, one with at least one item in its last batch."""
    try:
        least = (len(dataloader) - 1) * config.batch_size + 1
    except TypeError:
        return ()
    if config.max_samples is None or least <= config.max_samples:
        return ()
    text = "max_samples is {:,}, but a pass has {:,} items or more: the case does not limit its data"
    return (text.format(config.max_samples, least),)


def unlimited(dataset: Any) -> Any:
    """The data set that `limited` was given."""
    return dataset.dataset if isinstance(dataset, Limited) else dataset
