"""A clock, engines and loaders of known duration, and an evaluator: the ground truth for the loop and all that drives it."""

from dataclasses import dataclass
from types import SimpleNamespace

import torch

from tools.config_keys import KEYS

SECOND = 10**9


class FakeClock:
    """Reading it takes `cost` ns."""

    def __init__(self):
        self.now, self.cost = 0, 0

    def __call__(self):
        self.now += self.cost
        return self.now

    def advance(self, seconds):
        self.now += round(seconds * SECOND)


class FakeEngine:
    """Each call takes the next of `seconds`, the last one for ever; returns one output per row of its input."""

    def __init__(self, clock, seconds, foo=0.0):
        self._clock, self._seconds, self._foo = clock, list(seconds), foo
        self.calls = 0

    def __call__(self, inputs):
        self._clock.advance(self._seconds[min(self.calls, len(self._seconds) - 1)])
        self.calls += 1
        return [inputs[0]], self._foo


@dataclass
class Batch:
    rows: object
    items: int
    size: int = 4
    expected_outputs: int = 1


class Loader(list):
    """Batches that take `seconds` each to load."""

    def __init__(self, batches, clock=None, seconds=0.0):
        super().__init__(batches)
        self._clock, self._seconds = clock, seconds

    def __iter__(self):
        for batch in super().__iter__():
            if self._clock:
                self._clock.advance(self._seconds)
            yield batch


def batches(*items):
    return [Batch(torch.zeros(4, 2), count) for count in items]


def config(**settings):
    """Every key's default, but one pass without warm-up, unless `settings` say otherwise."""
    defaults = {name: key.default for name, key in KEYS.items()}
    return SimpleNamespace(**{**defaults, "warmup": 0, "percentiles": (), **settings})


def once(sut, batch, config):
    return sut([batch.rows])


def half_right(outputs, batch):
    return batch.items / 2
