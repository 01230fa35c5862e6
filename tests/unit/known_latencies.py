"""Simulated engines whose distribution of latencies is known, as int64 [runs, calls] in ns; the ground truth of statistics."""

import numpy as np

BASE_NS = 10_000_000
SPIKES, SPIKE = 0.01, 10
"""A spiking engine's share of calls that take so many times the base."""


def nanoseconds(shape):
    return np.round(BASE_NS * shape).astype(np.int64)


def constant(runs, calls):
    return np.full((runs, calls), BASE_NS, dtype=np.int64)


def normal(rng, runs, calls, cv):
    return nanoseconds(1 + cv * rng.standard_normal((runs, calls)))


def lognormal(rng, runs, calls, cv):
    """Of mean BASE_NS."""
    return nanoseconds(as_lognormal(rng.standard_normal((runs, calls)), cv))


def gamma(rng, runs, calls, cv):
    """Of mean BASE_NS."""
    return nanoseconds(rng.gamma(cv**-2, cv**2, (runs, calls)))


def spiking(rng, runs, calls):
    """Of mean BASE_NS * (1 + SPIKES * (SPIKE - 1))."""
    noise = 1 + 0.02 * rng.standard_normal((runs, calls))
    return nanoseconds(noise * np.where(rng.random((runs, calls)) < SPIKES, SPIKE, 1))


def bimodal(rng, runs, calls, share, distance=0.2):
    """`share` of the calls, at random places, take `distance` longer than the others."""
    noise = 1 + 0.02 * rng.standard_normal((runs, calls))
    return nanoseconds(noise * np.where(rng.random((runs, calls)) < share, 1 + distance, 1))


def drifting(rng, runs, calls, change):
    return nanoseconds((1 + 0.02 * rng.standard_normal((runs, calls))) * np.linspace(1, 1 + change, calls))


def slowing(rng, runs, calls, after, change):
    """As a chip that throttles: fast, and `change` slower `after` that share of the run."""
    return nanoseconds(
        (1 + 0.02 * rng.standard_normal((runs, calls))) * np.where(np.arange(calls) < after * calls, 1, 1 + change)
    )


def resembling(rng, runs, calls, likeness, cv):
    """Lognormal of mean BASE_NS, each call correlated with the one before: AR(1)."""
    normals = rng.standard_normal((calls, runs))
    for call in range(1, calls):
        normals[call] = likeness * normals[call - 1] + np.sqrt(1 - likeness**2) * normals[call]
    return nanoseconds(as_lognormal(normals.T, cv))


def as_lognormal(normals, cv):
    variance = np.log(1 + cv**2)
    return np.exp(normals * np.sqrt(variance) - variance / 2)
