"""When a phase has measured enough."""

from loop_fakes import SECOND, FakeClock, config

from tools.goal import Goal
from tools.sut import TimedSUT


def test_percentiles_decide_how_many_queries_are_enough():
    assert [Goal(config(percentiles=(percent,))).queries for percent in (50.0, 90.0, 99.0, 99.9)] == [11, 64, 662, 6636]
    assert Goal(config()).queries == 0


def test_time_and_queries_must_both_be_enough():
    goal = Goal(config(min_seconds=5.0, percentiles=(50.0,)))
    sut = TimedSUT(None, FakeClock())
    sut.core_ns, sut.latencies_ns = 5 * SECOND, [SECOND] * 10
    assert not goal.reached(sut)
    sut.latencies_ns.append(SECOND)
    assert goal.reached(sut)
    sut.core_ns -= 1
    assert not goal.reached(sut)


def test_what_is_left_follows_from_what_was_needed_so_far():
    sut = TimedSUT(None, FakeClock())
    assert Goal(config(repeat=3)).batches(sut, 0, 10) == 30
    sut.core_ns, sut.latencies_ns = 2 * SECOND, [SECOND // 4] * 8  # of 4 batches
    assert Goal(config(repeat=1, min_seconds=50.0)).batches(sut, 4, 10) == 100
    assert Goal(config(repeat=1, percentiles=(90.0,))).batches(sut, 4, 10) == 32
    assert Goal(config(repeat=1)).batches(sut, 4, None) is None
