"""Percentiles: nearest-rank, and withheld where samples are too few."""

import pytest

from tools.statistics import latency, nearest_rank, percentile, samples_needed


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


@pytest.mark.parametrize(("percent", "needed"), [(50.0, 11), (90.0, 64), (95.0, 130), (99.0, 662), (99.9, 6636)])
def test_the_samples_needed_are_those_of_the_binomial_bound(percent, needed):
    assert samples_needed(percent) == needed


def test_a_percentile_is_withheld_with_one_sample_too_few():
    assert percentile(list(range(63)), 90.0).latency_ns is None
    assert percentile(list(range(64)), 90.0).latency_ns == 57


def test_a_latency_summary_does_not_need_sorted_samples():
    summary = latency([30, 10, 20])
    assert (summary.count, summary.min_ns, summary.mean_ns, summary.max_ns) == (3, 10, 20.0, 30)
    assert [percentile.samples_needed for percentile in summary.percentiles] == [11, 64, 662]


def test_no_samples_have_no_summary():
    assert latency([]) is None
