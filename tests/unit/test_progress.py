"""Progress reaches whoever asked for it, and not too often."""

from tools.contract import Progress
from tools.progress import Throttle, report, reported_to


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
