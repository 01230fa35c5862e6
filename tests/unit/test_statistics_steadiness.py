"""Warm-up's agreement, drift and bimodality, held to engines that are known to have them or not."""

import time

import numpy as np
import pytest
from known_latencies import BASE_NS, bimodal, constant, drifting, gamma, lognormal, normal, resembling, slowing, spiking

from tools.steadiness import doubts, windows_agree

RUNS = 600


@pytest.mark.parametrize("medians", [[], [100], [100, 100]])
def test_fewer_than_three_windows_never_agree(medians):
    assert not windows_agree(medians)


@pytest.mark.parametrize("medians", [[100, 100, 100], [100, 102, 100], [101, 100, 102], [0, 0, 0], [100, 100.4, 100.9]])
def test_windows_within_2_percent_agree(medians):
    assert windows_agree(medians)


@pytest.mark.parametrize("medians", [[100, 102.1, 100], [100, 97, 100], [0, 1, 0]])
def test_windows_over_2_percent_apart_do_not_agree(medians):
    assert not windows_agree(medians)


@pytest.mark.parametrize("medians", [[100, 100.6, 101.2], [101.2, 100.6, 100]])
def test_windows_with_a_trend_of_over_1_percent_do_not_agree(medians):
    assert not windows_agree(medians)


def test_only_the_last_three_windows_count():
    assert windows_agree([500, 120, 100, 101, 100])
    assert not windows_agree([100, 100, 100, 150])


def kinds(runs):
    """What is doubted of each run."""
    return [[reason.kind for reason in doubts(run)] for run in runs]


def share(runs, kind):
    found = kinds(runs)
    return sum(kind in each for each in found) / len(found)


STEADY = {
    "normal 5 %": lambda rng, calls: normal(rng, RUNS, calls, 0.05),
    "normal 20 %": lambda rng, calls: normal(rng, RUNS, calls, 0.2),
    "lognormal 20 %": lambda rng, calls: lognormal(rng, RUNS, calls, 0.2),
    "gamma 20 %": lambda rng, calls: gamma(rng, RUNS, calls, 0.2),
    "lognormal 50 %": lambda rng, calls: lognormal(rng, RUNS, calls, 0.5),
    "spiking": lambda rng, calls: spiking(rng, RUNS, calls),
    "resembling": lambda rng, calls: resembling(rng, RUNS, calls, 0.6, 0.1),
}


@pytest.mark.parametrize("calls", [200, 700])
@pytest.mark.parametrize("engine", list(STEADY))
def test_a_steady_engine_is_hardly_ever_doubted(engine, calls):
    runs = STEADY[engine](np.random.default_rng(12), calls)
    assert sum(bool(found) for found in kinds(runs)) / RUNS <= 0.005


def test_a_constant_engine_is_not_doubted():
    assert kinds(constant(1, 1000)) == [[]]


@pytest.mark.parametrize(("cv", "tick"), [(0.02, 42), (0.05, 42), (0.2, 42), (0.2, 100)])
@pytest.mark.parametrize("mean", [100, 1000, 5000])
def test_the_ticks_of_a_coarse_clock_are_not_taken_for_modes(cv, tick, mean):
    exact = normal(np.random.default_rng(13), 100, 1000, cv) * (mean / BASE_NS)
    assert share((np.round(exact / tick) * tick).astype(np.int64), "bimodal") == 0


@pytest.mark.parametrize("change", [0.1, 0.3, -0.15])
def test_an_engine_that_drifts_is_doubted_for_that_alone(change):
    assert all(found == ["drift"] for found in kinds(drifting(np.random.default_rng(14), 200, 500, change)))


def test_a_drift_too_small_to_matter_is_no_doubt():
    assert share(drifting(np.random.default_rng(15), 200, 2000, 0.03), "drift") == 0


@pytest.mark.parametrize("after", [0.3, 0.5, 0.8])
def test_an_engine_that_slows_down_in_the_middle_of_the_run_drifts(after):
    assert share(slowing(np.random.default_rng(16), 200, 500, after, 0.2), "drift") == 1


def test_an_engine_that_drifts_among_noise_is_doubted():
    runs = resembling(np.random.default_rng(17), 200, 1000, 0.5, 0.1) * np.linspace(1, 1.3, 1000)
    assert share(runs, "drift") > 0.99


@pytest.mark.parametrize("slow", [0.15, 0.4, 0.85])
def test_an_engine_with_two_modes_is_doubted_for_that_alone(slow):
    found = kinds(bimodal(np.random.default_rng(18), 200, 1000, slow))
    assert sum(each == ["bimodal"] for each in found) >= 198


def test_two_modes_are_seen_in_as_few_as_200_calls():
    assert share(bimodal(np.random.default_rng(29), 200, 200, 0.4), "bimodal") > 0.98


def test_modes_that_run_into_each_other_are_no_doubt():
    assert share(bimodal(np.random.default_rng(30), 50, 20_000, 0.5, distance=0.055), "bimodal") == 0


def test_two_exact_latencies_are_two_modes():
    latencies = np.random.default_rng(19).permutation([BASE_NS] * 150 + [2 * BASE_NS] * 50)
    assert kinds([latencies]) == [["bimodal"]]


def test_two_modes_are_seen_beside_spikes():
    rng = np.random.default_rng(20)
    runs = bimodal(rng, 200, 1000, 0.4) * np.where(rng.random((200, 1000)) < 0.02, 10, 1)
    assert share(runs, "bimodal") > 0.99


def test_a_second_mode_of_few_calls_is_left_to_the_percentiles():
    assert share(bimodal(np.random.default_rng(21), 100, 10_000, 0.085), "bimodal") == 0


def test_modes_that_are_hardly_apart_are_no_doubt():
    assert share(bimodal(np.random.default_rng(22), 200, 1000, 0.5, distance=0.03), "bimodal") == 0


def test_calls_that_linger_at_a_latency_are_not_taken_for_modes():
    assert share(resembling(np.random.default_rng(27), RUNS, 400, 0.97, 0.2), "bimodal") <= 0.005


def test_nothing_is_said_of_under_200_calls():
    run = drifting(np.random.default_rng(23), 1, 200, 0.5)[0]
    assert [reason.kind for reason in doubts(run)] == ["drift"]
    assert doubts(run[:199]) == []


def test_a_drift_is_told_with_its_figures_and_what_to_do():
    run = [BASE_NS] * 500 + [BASE_NS * 6 // 5] * 500
    assert doubts(run)[0].message == (
        "latency rose by 20 % over the run, from 10 ms to 12 ms; let the chip reach its steady temperature,"
        " and repeat on an idle machine"
    )


def test_modes_are_told_with_their_shares_and_what_to_look_for():
    latencies = np.random.default_rng(25).permutation([10_000] * 600 + [12_500] * 400)
    assert doubts(latencies)[0].message.startswith("two kinds of calls: 60 % take about 10 µs, 40 % about 12.5 µs; look for")


def test_a_hundred_thousand_latencies_are_judged_in_a_fifth_of_a_second():
    latencies = lognormal(np.random.default_rng(26), 1, 100_000, 0.2)[0].tolist()
    began = time.process_time()
    doubts(latencies)
    assert time.process_time() - began < 0.2
