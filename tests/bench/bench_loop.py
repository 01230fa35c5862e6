"""What the measuring loop costs per query, beside a bare Python loop that calls the same engine; run as a script (needs torch).

The two are interleaved in short rounds, so that the machine's mood hits both alike; the quietest round tells the cost, and
ends the script with 1 where that is over the limit.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "unit")]

import torch
from loop_fakes import config

from tools.measure import measure

QUERIES, ROUNDS = 10_000, 40
MICROSECONDS = 2.0
"""The loop's own cost per query is not to be more."""


class Batch:
    items, size, expected_outputs = 1, 1, 1

    def __init__(self, inputs):
        self.inputs = inputs


def null_engine(inputs):
    """Does nothing; what it returns exists already."""
    return inputs, 0.0


def forward(sut, batch, config):
    return sut(batch.inputs)


def evaluator(outputs, batch):
    return None


def bare_loop(batches):
    """Return ns per query of a loop that only calls the engine."""
    began = time.perf_counter_ns()
    for batch in batches:
        null_engine(batch.inputs)
    return (time.perf_counter_ns() - began) / len(batches)


def measuring_loop(batches):
    """Return ns per query of the measuring loop, and the part of it that is charged to the engine (core)."""
    phase = measure(null_engine, batches, forward, evaluator, config(log_freq=sys.maxsize), "inference").phase
    return phase.whole_seconds * 1e9 / len(batches), phase.core_seconds * 1e9 / len(batches)


def compare(batches):
    """Return the quietest and the median round in us per query: bare loop, measuring loop, and what of it core contains."""
    rounds = [(bare_loop(batches), *measuring_loop(batches)) for _ in range(ROUNDS)]
    columns = [[nanoseconds / 1000 for nanoseconds in column] for column in zip(*rounds, strict=True)]
    return [min(column) for column in columns], [statistics.median(column) for column in columns]


def main() -> int:
    quietest, typical = compare([Batch([torch.zeros(1, 1000)])] * QUERIES)
    for which, (bare, measured, core) in (("quietest", quietest), ("median", typical)):
        print(
            f"{which} round: bare {bare:.3f} us/query, measured {measured:.3f}, own cost {measured - bare:.3f} "
            f"({measured / bare:.1f} x), of which inside core {core - bare:.3f}"
        )
    cost = quietest[1] - quietest[0]
    holds = cost <= MICROSECONDS
    print(f"own cost {cost:.3f} us/query; limit {MICROSECONDS:g}: {'holds' if holds else 'EXCEEDED'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
