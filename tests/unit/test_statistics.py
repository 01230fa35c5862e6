"""Percentiles and their upper bounds: nearest-rank, distribution-free, as loadgen has them, withheld where samples are few."""

import re
import time

import mlperf_loadgen
import numpy as np
import pytest
from known_latencies import BASE_NS, constant
from loadgen_binary import MinPassingQueriesFinder

from tools.statistics import PERCENTS, latency, min_queries, nearest_rank, percentile, samples_needed, upper_bound

RUNS = 2000


def test_a_percentile_is_always_one_of_the_samples():
    assert nearest_rank([15, 20, 35, 40, 50], 40) == 20


def test_the_hundredth_percentile_is_the_greatest_sample():
    assert nearest_rank([1, 2, 3], 100) == 3


def test_a_percentile_with_a_fraction_has_no_rounding_error():
    assert nearest_rank(range(1, 1001), 99.9) == 999


@pytest.mark.parametrize("percent", [0, -1, 100.5])
def test_a_percentile_out_of_range_is_refused(percent):
    with pytest.raises(ValueError, match="no percentile"):
        nearest_rank([1], percent)


@pytest.mark.parametrize(("over", "percent"), [(-1, 90), (1, 0), (1, 100)])
def test_a_number_of_queries_that_cannot_be_is_refused(over, percent):
    with pytest.raises(ValueError, match="no number of queries"):
        min_queries(over, percent)


@pytest.mark.parametrize(("percent", "needed"), [(50.0, 11), (90.0, 64), (95.0, 130), (99.0, 662), (99.9, 6636)])
def test_the_samples_needed_are_those_of_the_binomial_bound(percent, needed):
    assert samples_needed(percent) == needed


@pytest.mark.parametrize("percent", PERCENTS)
def test_the_queries_needed_are_those_of_loadgen_for_every_number_over_the_latency(percent):
    finder = MinPassingQueriesFinder()
    ours = [min_queries(over, percent) for over in range(1001)]
    assert ours == [finder(over, percent / 100) + over for over in range(1001)]


@pytest.mark.parametrize("order", [(1000, 3, 500), (0, 1000)])
def test_the_queries_needed_do_not_depend_on_what_was_asked_before_as_they_might_in_loadgen(order):
    finder = MinPassingQueriesFinder()
    assert [finder(over, 0.99) + over for over in order] == [min_queries(over, 99) for over in order]


@pytest.mark.parametrize("queries", [63, 64, 1000, 2500])
def test_the_bound_is_the_latency_that_loadgen_itself_settles_on(queries, tmp_path):
    summary = single_stream(queries, tmp_path)
    bound = upper_bound(range(queries), 90.0)
    discarded = re.search(r"Would discard (\d+) highest", summary)
    assert (discarded is None) == (bound is None) == (queries < samples_needed(90.0))
    if discarded:
        assert bound == queries - 1 - int(discarded[1])


def test_with_just_enough_samples_the_bound_is_the_greatest_as_in_loadgen(tmp_path):
    summary = single_stream(64, tmp_path)
    estimate = re.search(r"90.0th percentile estimate: (\d+)", summary)[1]
    assert estimate == re.search(r"Max latency \(ns\) *: (\d+)", summary)[1]
    assert upper_bound(range(64), 90.0) == 63


def single_stream(queries, folder):
    """loadgen's summary of so many queries to an engine that does nothing."""
    settings, log, output = mlperf_loadgen.TestSettings(), mlperf_loadgen.LogSettings(), mlperf_loadgen.LogOutputSettings()
    settings.scenario, settings.mode = mlperf_loadgen.TestScenario.SingleStream, mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms, settings.single_stream_target_latency_percentile = 0, 0.9
    output.outdir, log.log_output, log.enable_trace = str(folder), output, False
    sut, library = mlperf_loadgen.ConstructSUT(answer, nothing), mlperf_loadgen.ConstructQSL(16, 16, nothing, nothing)
    mlperf_loadgen.StartTestWithLogSettings(sut, library, settings, log)
    mlperf_loadgen.DestroyQSL(library)
    mlperf_loadgen.DestroySUT(sut)
    return (folder / "mlperf_log_summary.txt").read_text()


def answer(samples):
    mlperf_loadgen.QuerySamplesComplete([mlperf_loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])


def nothing(*_):
    pass


def test_a_percentile_and_its_bound_are_withheld_with_one_sample_too_few():
    few, enough = percentile(list(range(63)), 90.0), percentile(list(range(64)), 90.0)
    assert (few.latency_ns, few.upper_ns, few.samples_needed) == (None, None, 64)
    assert (enough.latency_ns, enough.upper_ns) == (57, 63)


@pytest.mark.parametrize("percent", PERCENTS)
@pytest.mark.parametrize("more", [1, 1.3, 4])
def test_the_true_percentile_is_not_above_its_bound_in_99_of_100_runs(percent, more):
    calls = int(samples_needed(percent) * more)
    ranks = np.random.default_rng(1).binomial(calls, percent / 100, RUNS)  # how many of a run's calls lie below the true one
    place = upper_bound(range(calls), percent)
    assert np.mean(ranks <= place) >= 0.985


@pytest.mark.parametrize("shape", ["lognormal", "exponential", "ticks", "bimodal", "spiking"])
def test_the_bounds_hold_whatever_the_distribution(shape):
    draw = {
        "lognormal": lambda uniform: np.exp(uniform * 3),
        "exponential": lambda uniform: -np.log1p(-uniform),
        "ticks": lambda uniform: np.floor(uniform * 7),
        "bimodal": lambda uniform: uniform + 10 * (uniform >= 0.7),
        "spiking": lambda uniform: uniform + 100 * (uniform >= 0.93),
    }[shape]
    runs = np.sort(np.random.default_rng(2).random((RUNS, 200)), axis=1)
    for percent in (50.0, 90.0, 95.0):
        bounds = np.array([upper_bound((draw(run) * 1000).astype(np.int64), percent) for run in runs])
        assert np.mean(bounds >= int(draw(np.array(percent / 100)) * 1000)) >= 0.985


def test_a_latency_summary_does_not_need_sorted_samples():
    summary = latency([30, 10, 20])
    assert (summary.count, summary.min_ns, summary.mean_ns, summary.max_ns) == (3, 10, 20.0, 30)
    assert [percentile.samples_needed for percentile in summary.percentiles] == [11, 64, 130, 662, 6636]


def test_a_constant_engine_has_that_latency_everywhere():
    summary = latency(constant(1, 7000)[0])
    assert {(each.latency_ns, each.upper_ns) for each in summary.percentiles} == {(BASE_NS, BASE_NS)}


def test_a_summary_holds_plain_numbers_that_json_can_write():
    summary = latency(np.arange(7000))
    figures = [
        summary.min_ns,
        summary.max_ns,
        *(figure for each in summary.percentiles for figure in (each.latency_ns, each.upper_ns)),
    ]
    assert {type(figure) for figure in figures} == {int}


def test_a_million_latencies_are_summarised_in_half_a_second():
    latencies = np.random.default_rng(3).integers(1, 10**9, 10**6).tolist()
    began = time.process_time()
    latency(latencies)
    assert time.process_time() - began < 0.5


def test_no_samples_have_no_summary():
    assert latency([]) is None
