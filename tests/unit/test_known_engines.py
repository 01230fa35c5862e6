"""Ground truth: engines of known latency through the measuring loop, on a fake clock, and what must be said of each."""

from functools import cache

import numpy as np
import pytest
from known_latencies import BASE_NS, SPIKE, bimodal, constant, drifting, lognormal, slowing, spiking
from loop_fakes import SECOND, FakeClock, FakeEngine, batches, config, half_right, once

from tools.measure import measure
from tools.statistics import PERCENTS

CALLS = 7001  # as many as p99.9 needs, and no percentile falls on the border of two
KNOWN = {
    "constant": (lambda rng, calls: constant(1, calls), []),
    "noisy": (lambda rng, calls: lognormal(rng, 1, calls, 0.05), []),
    "spiking": (lambda rng, calls: spiking(rng, 1, calls), []),
    "drifting": (lambda rng, calls: drifting(rng, 1, calls, 0.5), ["drift"]),
    "slowing": (lambda rng, calls: slowing(rng, 1, calls, 0.6, 0.2), ["drift", "bimodal"]),
    "bimodal": (lambda rng, calls: bimodal(rng, 1, calls, 0.5), ["bimodal"]),
}


EACH = pytest.mark.parametrize("name", KNOWN)


@cache
def known(name):
    """An engine's latencies in ns, and the phase that was measured of it."""
    latencies, clock = KNOWN[name][0](np.random.default_rng(7), CALLS)[0], FakeClock()
    engine, loader = FakeEngine(clock, latencies / SECOND), batches(4) * CALLS
    return latencies, measure(engine, loader, once, half_right, config(), "inference", clock=clock).phase


@EACH
def test_an_engine_raises_the_doubts_that_it_should_and_no_other(name):
    _, phase = known(name)
    assert [doubt.kind for doubt in phase.doubts] == KNOWN[name][1]


@EACH
def test_throughput_is_items_by_the_seconds_that_the_engine_took(name):
    latencies, phase = known(name)
    assert (phase.queries, phase.items) == (CALLS, 4 * CALLS)
    assert phase.core_seconds == phase.whole_seconds == pytest.approx(latencies.sum() / SECOND)
    assert phase.core == phase.whole == pytest.approx(4 * CALLS / (latencies.sum() / SECOND))
    rounding = phase.core * 1e-12
    assert phase.core_interval.low - rounding <= phase.core <= phase.core_interval.high + rounding


@EACH
def test_percentiles_are_the_nearest_ranks_of_the_latencies(name):
    latencies, found = known(name)[0], known(name)[1].latency
    ranks = {percent: np.quantile(latencies, percent / 100, method="inverted_cdf") for percent in PERCENTS}
    assert {each.percent: each.latency_ns for each in found.percentiles} == ranks
    assert (found.min_ns, found.mean_ns, found.max_ns) == (min(latencies), pytest.approx(latencies.mean()), max(latencies))


@EACH
def test_no_true_percentile_is_above_its_bound(name):
    many = KNOWN[name][0](np.random.default_rng(8), 100 * CALLS)[0]
    for each in known(name)[1].latency.percentiles:
        assert each.latency_ns <= each.upper_ns
        assert np.quantile(many, each.percent / 100) <= each.upper_ns


def test_rare_spikes_are_what_the_highest_percentile_shows():
    found = {each.percent: each.latency_ns / BASE_NS for each in known("spiking")[1].latency.percentiles}
    assert (found[95.0], found[99.9]) == (pytest.approx(1, rel=0.1), pytest.approx(SPIKE, rel=0.1))
