"""The audit, against engines that cheat in known ways."""

import pytest
import torch
from loop_fakes import Batch, FakeClock, config, once

from tools.audit import audit, audit_reasons
from tools.workload import Workload

BATCHES = [Batch(torch.full((4, 2), float(number)), 4) for number in range(1, 9)]


class Honest:
    """Doubles its input in 2 ms of the fake clock."""

    def __init__(self, clock):
        self.clock, self.calls, self.last = clock, 0, None

    def __call__(self, inputs):
        self.calls += 1
        self.clock.advance(self.seconds(inputs[0]))
        answer, self.last = self.answer(inputs[0]), inputs[0]
        return [answer], 0.0

    def seconds(self, rows):
        return 0.002

    def answer(self, rows):
        return rows * 2


class Caching(Honest):
    def seconds(self, rows):
        return 0.001 if self.last is not None and torch.equal(rows, self.last) else 0.002


class Memo(Honest):
    """Remembers the outputs of everything it has seen."""

    def __init__(self, clock):
        super().__init__(clock)
        self.seen = {}

    def seconds(self, rows):
        return 0.0001 if rows.numpy().tobytes() in self.seen else 0.002

    def answer(self, rows):
        return self.seen.setdefault(rows.numpy().tobytes(), rows * 2)


class Stale(Honest):
    def answer(self, rows):
        return (rows if self.last is None else self.last) * 2


class LazyLater(Honest):
    """Computes for its first few calls, then returns what it has."""

    def answer(self, rows):
        return rows * 2 if self.calls <= 20 else torch.zeros_like(rows)


class NotANumber(Honest):
    def answer(self, rows):
        return rows * (float("nan") if self.calls == 12 else 2.0)


class AlwaysNotANumber(Honest):
    def answer(self, rows):
        return rows * float("nan")


class Masked(Honest):
    """Half of its outputs are infinite; the sign is by the position alone, or changes from call to call."""

    sign = staticmethod(lambda calls: 1)

    def answer(self, rows):
        return torch.cat([rows, torch.full_like(rows, float("inf") * self.sign(self.calls))], dim=1)


class MaskedInTurns(Masked):
    sign = staticmethod(lambda calls: 1 if calls % 3 else -1)


def failed(kind, batches=BATCHES):
    clock = FakeClock()
    checks = audit(kind(clock), Workload(batches, once, None, config()), clock)
    return [check.name for check in checks if check.passed is False], checks


def test_an_honest_engine_passes_all_three_checks():
    assert failed(Honest)[0] == []
    assert [check.passed for check in failed(Honest)[1]] == [True, True, True]


def test_an_engine_that_remembers_its_last_sample_is_too_fast_on_repeated_ones():
    names, checks = failed(Caching)
    assert names == ["a repeated sample is not faster than distinct ones"]
    assert checks[1].detail == "it takes 50.0 % less time (10 % are allowed)"


def test_an_engine_that_remembers_everything_is_caught_by_inputs_it_never_saw():
    names, checks = failed(Memo)
    assert names == ["a repeated sample is not faster than distinct ones"]
    assert checks[1].detail.startswith("it takes 95.0 % less time")


def test_stale_outputs_depend_on_the_order():
    assert "shuffled order gives the same outputs" in failed(Stale)[0]


def test_an_engine_that_stops_computing_is_caught():
    assert failed(LazyLater)[0] != []


def test_one_output_that_is_no_number_is_caught():
    assert failed(NotANumber)[0] != []


def test_outputs_that_are_no_numbers_are_equal_to_none():
    assert "shuffled order gives the same outputs" in failed(AlwaysNotANumber)[0]


def test_infinities_are_the_same_where_they_have_the_same_sign():
    assert failed(Masked)[0] == []
    assert "shuffled order gives the same outputs" in failed(MaskedInTurns)[0]


def test_inputs_of_whole_numbers_cannot_show_caching():
    tokens = [Batch(torch.full((4, 2), number), 4) for number in range(1, 9)]
    assert [check.passed for check in failed(Honest, tokens)[1]] == [True, None, True]


@pytest.mark.parametrize("kind", [Caching, Stale])
def test_what_failed_is_why_the_case_must_not_be_quoted(kind):
    assert {reason.kind for reason in audit_reasons(failed(kind)[1])} == {"audit"}
    assert audit_reasons(failed(Honest)[1]) == []
