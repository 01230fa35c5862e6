"""Progress reaches whoever asked for it, and not too often."""

import pytest
from loguru import logger

from tools.contract import Progress
from tools.progress import Throttle, report, reported_to


@pytest.fixture
def logged():
    """The lines that are logged, with their levels."""
    lines = []
    sink = logger.add(lambda line: lines.append(line.rstrip("\n")), level="DEBUG", format="{level} {message}")
    yield lines
    logger.remove(sink)


def run_batches(throttle, count):
    """Do what the measuring loop does: batches of 8 items, each of 4 ms."""
    for done in range(1, count + 1):
        if done >= throttle.due_unit:
            throttle.log(done, items=8 * done, core_ns=4_000_000 * done)


def test_nobody_is_told_outside():
    told = []
    with reported_to(told.append):
        report(Progress("b"))
    report(Progress("c"))
    assert told == [Progress("b")]


def test_the_next_report_is_due_half_a_second_later():
    told = []
    with reported_to(told.append):
        throttle = Throttle("f", 9, "batches")
        throttle(3, now_ns=10**9)
    assert told == [Progress("f", 3, 9, "batches")]
    assert throttle.due_ns == 1_500_000_000


def test_how_far_a_step_is_is_logged_each_log_freq_batches(logged):
    run_batches(Throttle("f", 200, "batches", log_freq=90), 200)
    assert logged == [
        "DEBUG step f (engine forward): 90 of 200 batches, core 2,000.0 items/s",
        "DEBUG step f (engine forward): 180 of 200 batches, core 2,000.0 items/s",
    ]


def test_a_number_of_batches_that_nobody_knows_is_not_logged(logged):
    run_batches(Throttle("c", None, "batches", log_freq=2), 3)
    assert logged == ["DEBUG step c (framework validation): 2 batches, core 2,000.0 items/s"]


def test_without_a_log_freq_nothing_is_logged(logged):
    run_batches(Throttle("c", 9, "batches"), 1000)
    assert logged == []


def test_queries_that_took_no_time_are_no_error(logged):
    Throttle("c", 9, "batches", log_freq=1).log(1, items=8, core_ns=0)
    assert logged == ["DEBUG step c (framework validation): 1 of 9 batches, core no time yet"]
