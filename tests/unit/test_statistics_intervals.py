"""Intervals of throughput and comparisons of runs, held to engines whose true figures are known."""

import numpy as np
import pytest
from known_latencies import BASE_NS, SPIKE, SPIKES, constant, gamma, lognormal, normal, resembling, spiking

from tools.intervals import MIN_CALLS, differ, student_t, throughput_interval

RUNS = 2000
ITEMS = 8


@pytest.mark.parametrize(
    ("confidence", "freedom", "quantile"),
    [(0.99, 1, 63.657), (0.99, 2, 9.925), (0.99, 9, 3.250), (0.99, 19, 2.861), (0.999, 18, 3.922), (0.95, 120, 1.980)],
)
def test_the_quantiles_of_t_are_those_of_the_printed_tables(confidence, freedom, quantile):
    assert student_t(confidence, freedom) == pytest.approx(quantile, abs=6e-4)


def covered(runs, true_ns=BASE_NS):
    """The share of runs whose interval holds the true throughput."""
    true = ITEMS * 1e9 / true_ns
    intervals = [throughput_interval(run, ITEMS) for run in runs]
    return np.mean([interval.low <= true <= interval.high for interval in intervals])


@pytest.mark.parametrize("calls", [MIN_CALLS, 1000])
@pytest.mark.parametrize("cv", [0.1, 0.5])
def test_the_interval_holds_in_99_of_100_runs_of_a_skewed_engine(calls, cv):
    assert covered(lognormal(np.random.default_rng(4), RUNS, calls, cv)) >= 0.985


def test_the_interval_holds_for_an_engine_with_gamma_latencies():
    assert covered(gamma(np.random.default_rng(5), RUNS, 400, 0.2)) >= 0.985


def test_the_interval_holds_for_an_engine_that_spikes_ten_times_in_a_run():
    assert covered(spiking(np.random.default_rng(6), RUNS, 1000), BASE_NS * (1 + SPIKES * (SPIKE - 1))) >= 0.985


@pytest.mark.parametrize(("likeness", "calls"), [(0.3, 200), (0.5, 400), (0.8, 2000)])
def test_the_interval_holds_where_calls_resemble_the_ones_before(likeness, calls):
    assert covered(resembling(np.random.default_rng(7), RUNS, calls, likeness, 0.1)) >= 0.985


def test_the_interval_is_no_wider_than_it_must_be():
    runs = normal(np.random.default_rng(8), 200, 1000, 0.1)
    widths = [
        (interval.high - interval.low) / (ITEMS * 1e9 / BASE_NS) for interval in (throughput_interval(run, ITEMS) for run in runs)
    ]
    least = 2 * 2.576 * 0.1 / np.sqrt(1000)
    assert least * 0.9 < np.median(widths) < least * 1.3


def test_the_interval_widens_where_neighbouring_blocks_resemble_each_other():
    noise = normal(np.random.default_rng(28), 1, 1000, 0.01).reshape(20, 50)
    levels = np.repeat([1.0, 1.1], 10)
    together, apart = [
        throughput_interval((noise.T * order).T.ravel(), ITEMS) for order in (levels, levels.reshape(2, 10).T.ravel())
    ]
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_a_constant_engine_has_its_throughput_without_doubt():
    interval = throughput_interval(constant(1, 1000)[0], ITEMS)
    assert interval.low == interval.high == ITEMS * 1e9 / BASE_NS


def test_the_interval_holds_the_throughput_that_was_measured():
    for run in spiking(np.random.default_rng(9), 200, 150):
        interval = throughput_interval(run, ITEMS)
        assert 0 < interval.low <= ITEMS * 1e9 / run.mean() <= interval.high


def test_the_interval_ends_at_the_throughput_of_the_fastest_call():
    interval = throughput_interval([BASE_NS] * 120 + [1000 * BASE_NS], ITEMS)
    assert interval.low < interval.high <= ITEMS * 1e9 / BASE_NS


def test_too_few_calls_have_no_interval():
    assert throughput_interval([BASE_NS] * (MIN_CALLS - 1), ITEMS) is None
    assert throughput_interval([BASE_NS] * MIN_CALLS, ITEMS) is not None


def test_calls_that_took_no_time_have_no_throughput():
    assert throughput_interval([0] * 1000, ITEMS) is None


@pytest.mark.parametrize(
    "engine",
    [
        lambda rng: normal(rng, 2 * RUNS, 200, 0.05),
        lambda rng: lognormal(rng, 2 * RUNS, 200, 0.5),
        lambda rng: spiking(rng, 2 * RUNS, 500),
        lambda rng: resembling(rng, 2 * RUNS, 300, 0.5, 0.1),
    ],
    ids=["normal", "lognormal", "spiking", "resembling"],
)
def test_the_same_engine_twice_is_called_different_in_at_most_1_of_100_comparisons(engine):
    runs = engine(np.random.default_rng(10))
    assert np.mean([differ(a, b) for a, b in zip(runs[::2], runs[1::2], strict=True)]) <= 0.01


def test_engines_that_are_2_percent_apart_differ():
    rng = np.random.default_rng(11)
    slow, fast = normal(rng, 200, 1000, 0.05) * 1.02, normal(rng, 200, 1000, 0.05)
    assert np.mean([differ(a, b) for a, b in zip(slow, fast, strict=True)]) > 0.99


def test_constant_engines_differ_if_their_latencies_do():
    same, other = constant(1, 200)[0], constant(1, 300)[0]
    assert not differ(same, other)
    assert differ(same, other + 1)


def test_with_too_few_calls_nothing_is_shown_to_differ():
    assert not differ([BASE_NS] * 1000, [2 * BASE_NS] * (MIN_CALLS - 1))
