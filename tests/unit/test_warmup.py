"""Warm-up, against engines of known duration."""

import pytest
from loop_fakes import SECOND, FakeClock, FakeEngine, batches, config, once

from tools.errors import CaseCrash
from tools.sut import TimedSUT
from tools.warmup import warm_up
from tools.workload import Workload


def warmed(seconds, warmup=1, warmup_limit=1000.0, forward=once):
    clock = FakeClock()
    data = batches(4)
    workload = Workload(data, forward, None, config(warmup=warmup, warmup_limit=warmup_limit))
    return warm_up(TimedSUT(FakeEngine(clock, seconds), clock), data[0], workload, clock)


def test_warm_up_ends_when_three_windows_agree():
    found, doubts = warmed([9.0, 5.0, 3.0, 2.0])
    assert (found.queries, found.seconds, found.stable, doubts) == (6, 23.0, True, ())


def test_the_cold_first_query_is_kept():
    assert warmed([9.0, 2.0])[0].first_ns == 9 * SECOND


def test_medians_within_two_percent_agree_and_beyond_do_not():
    assert warmed([1.0, 1.009, 0.995, 1.0])[0].queries == 3
    assert warmed([1.0, 1.05, 1.0, 1.0, 1.0])[0].queries == 5


def test_an_engine_that_slows_down_all_the_time_is_never_stable():
    found, (doubt,) = warmed([1.03**call for call in range(100)], warmup_limit=30.0)
    assert (found.stable, doubt.kind) == (False, "not stable")
    assert "no three windows" in doubt.message
    assert "raise warmup_limit" in doubt.message


def test_the_limit_ends_even_a_window():
    found, doubts = warmed([20.0], warmup=10, warmup_limit=30.0)
    assert (found.queries, found.stable, len(doubts)) == (2, False, 1)


def test_a_limit_of_no_time_leaves_the_cold_query_alone():
    found, doubts = warmed([9.0], warmup_limit=0)
    assert (found.queries, found.first_ns, found.stable, len(doubts)) == (1, 9 * SECOND, False, 1)


def test_a_window_of_a_fast_engine_lasts_fifty_milliseconds():
    assert warmed([0.001])[0].queries == 3 * 50


def test_an_engine_that_takes_no_time_gets_windows_that_end():
    assert warmed([0.0])[0].queries == 3000


def test_no_warm_up_is_none():
    found, doubts = warmed([1.0], warmup=0)
    assert (found.queries, found.stable, found.first_ns, doubts) == (0, None, None, ())


def test_a_forward_that_makes_no_query_is_an_error():
    with pytest.raises(CaseCrash, match="did not call the SUT"):
        warmed([1.0], forward=lambda sut, batch, settings: [batch.rows])
