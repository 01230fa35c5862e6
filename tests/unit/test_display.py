"""What a user sees of a host while its case runs: a bar with the time that is left, or lines where nobody looks."""

import io

import pytest
from rich.console import Console

from tools.contract import Progress
from tools.streams import ERRORS
from utils.display import BarDisplay, PlainDisplay
from utils.display_words import PLAIN_SECONDS
from utils.runtime.masking import Masker


class Seconds:
    """A clock that stands still unless it is told."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def bar():
    """A display of one host in a terminal, which runs digits; its clock; and the line that it shows."""
    clock = Seconds()
    console = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    display = BarDisplay(console, ("node0",), Masker(), clock)
    display.start_case("node0", "digits", 1, 2)

    def shown():
        with console.capture() as captured:
            console.print(display._bars.get_renderable())
        return captured.get().strip()

    return display, clock, shown


def report(display, clock, step, done, total, seconds=1.0):
    clock.now += seconds
    display.progress("node0", Progress(step, done, total, "batches"))


def test_a_bar_says_where_it_is_and_what_is_left(bar):
    display, clock, shown = bar
    for done in (1, 3, 5):
        report(display, clock, "f", done, 10)
    assert "node0 · 1/2 digits · step f of a-g, engine forward" in shown()
    assert shown().endswith("5 of 10 batches 0:00:03 0:00:03")  # two batches a second: five take three


def test_what_is_left_is_of_this_step_and_not_of_the_one_before(bar):
    display, clock, shown = bar
    for done in (5, 10):
        report(display, clock, "c", done, 10)
    display.phase("node0", "step d of a-g, ONNX export")
    assert "batches" not in shown()
    clock.now += 10
    for done in (1, 2):
        report(display, clock, "f", done, 10)
    assert shown().endswith("2 of 10 batches 0:00:14 0:00:08")


def test_what_is_left_is_known_also_where_the_total_is_an_estimate_that_changes(bar):
    display, clock, shown = bar
    for done, total in ((1, 10), (2, 11), (3, 10)):
        report(display, clock, "f", done, total)
    assert shown().endswith("3 of 10 batches 0:00:03 0:00:07")


def test_where_the_total_is_unknown_nothing_is_said_of_what_is_left(bar):
    display, clock, shown = bar
    for done in (1, 2):
        report(display, clock, "f", done, None)
    assert shown().endswith("2 batches 0:00:02")


def test_plain_lines_say_how_far_a_long_step_is_now_and_then():
    clock, stream = Seconds(), io.StringIO()
    display = PlainDisplay(Console(file=stream, width=100), Masker(), clock)
    display.start_case("node0", "digits", 1, 2)
    for done in (1, 2, 5):
        report(display, clock, "f", done, 10, PLAIN_SECONDS / 2)
    step = "node0  1/2 digits: step f of a-g, engine forward"
    assert stream.getvalue().splitlines() == [step, step + ", 5 of 10 batches"]


def test_a_line_that_is_too_long_does_not_wrap_in_a_terminal_whose_encoding_has_no_ellipsis():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", ERRORS)
    console = Console(file=stream, force_terminal=True, width=60, color_system=None)
    display = BarDisplay(console, ("node1",), Masker(), Seconds())
    display.start_case("node1", "stable_diffusion:pytorch_2.13", 1, 2)
    display.progress("node1", Progress("f", 1_200, 6_750, "batches"))
    console.print(display._bars.get_renderable())
    stream.flush()
    assert [len(line) <= 60 for line in stream.buffer.getvalue().decode("ascii").splitlines()] == [True]
