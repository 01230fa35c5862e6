"""What is seen of outputs in a case that has a loop of its own and returns three numbers, as FlagPerf's do."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tools.contract import Phase, Reason
from tools.measure import Measurement
from tools.own_loop import looked_at, output_reasons

BATCHES = [np.ones((4, 2), np.float32), np.ones((4, 2), np.float32)]


def flagperf_loop(subject, dataloader):
    """As FlagPerf's: over the whole loader, with a figure that divides by its length."""
    for batch in dataloader:
        subject([batch])
    return 100.0 / len(dataloader), 100.0, 0.33


def engine(value):
    return lambda inputs: ([np.full((4, 10), value, np.float32)], 0.0)


def reasons(subject, loop=flagperf_loop, batches=BATCHES):
    return [(reason.kind, reason.message) for reason in output_reasons(loop, subject, batches)]


def test_an_engine_without_numbers_gives_wrong_outputs():
    [(kind, message)] = reasons(engine(np.nan))
    assert kind == "wrong outputs"
    assert message.startswith("NaN in the outputs of 4 of 4 items")


def test_a_model_without_numbers_gives_wrong_outputs_and_is_left_as_it_was():
    model = torch.nn.Linear(2, 3)
    model.weight.data[0, 0] = float("nan")
    [(kind, _)] = reasons(model, lambda model, loader: [model.eval()(torch.from_numpy(batch)) for batch in loader])
    assert kind == "wrong outputs"
    assert not model._forward_hooks


@dataclass
class Detections:
    boxes: object
    labels: object = "some"


def test_a_model_whose_outputs_are_a_dataclass_is_looked_into():
    class Model(torch.nn.Module):
        def forward(self, rows):
            return [Detections(torch.full((4, 2), float("nan")))]

    [(kind, message)] = reasons(Model(), lambda model, loader: [model(torch.from_numpy(batch)) for batch in loader])
    assert (kind, message.startswith("NaN in the outputs of 4 of 4 items")) == ("wrong outputs", True)


def test_outputs_in_which_nothing_is_found_are_not_verified():
    class Model(torch.nn.Module):
        def forward(self, rows):
            return iter([rows])

    [(kind, message)] = reasons(Model(), lambda model, loader: [model(torch.from_numpy(batch)) for batch in loader])
    assert (kind, message.startswith("no tensor and no array was found")) == ("not verified", True)


@pytest.mark.parametrize("outputs", [np.ones((4, 10), np.float32), np.ones((4,), np.int64)])
def test_numbers_are_no_reason(outputs):
    assert reasons(lambda inputs: ([outputs], 0.0)) == []


def test_the_loop_is_run_once_more_with_one_batch_and_the_loader_s_own_attributes():
    class Loader(list):
        dataset = "imagenet"

    seen = []
    reasons(engine(1.0), lambda subject, loader: seen.append((len(loader), loader.dataset, len(list(loader)))), Loader(BATCHES))
    assert seen == [(1, "imagenet", 1)]


def test_an_engine_that_writes_its_outputs_later_gives_wrong_outputs():
    def late(inputs):
        outputs = np.zeros((4, 10), np.float32)
        threading.Timer(0.03, outputs.fill, [1.0]).start()
        return [outputs], 0.0

    [(kind, message)] = reasons(late)
    assert (kind, message.startswith("the engine's outputs still change when nobody calls it")) == ("wrong outputs", True)


def test_a_case_may_write_into_what_it_gets():
    def loop(subject, dataloader):
        for batch in dataloader:
            subject([batch])[0][0].fill(7.0)

    assert reasons(engine(1.0), loop) == []


def test_an_engine_whose_outputs_are_computed_when_they_are_asked_for_is_not_verified():
    class Lazy:
        def cpu(self):
            return self

        def __array__(self, *given, **named):
            return np.ones((4, 10), np.float32)

    [(kind, message)] = reasons(lambda inputs: ([Lazy()], 0.0))
    assert (kind, message.startswith("the engine returned a Lazy, which is computed when")) == ("not verified", True)


def test_a_loop_that_calls_nothing_is_not_verified():
    [(kind, message)] = reasons(engine(np.nan), lambda subject, loader: None)
    assert (kind, "no outputs were looked at" in message) == ("not verified", True)


def test_a_loop_that_fails_with_one_batch_is_not_verified():
    def fails(subject, loader):
        raise ZeroDivisionError("no second batch")

    assert reasons(engine(1.0), fails) == [
        ("not verified", "its outputs could not be looked at: ZeroDivisionError: no second batch")
    ]


def test_what_a_case_doubts_itself_stays_a_doubt():
    own = Reason("foo_time", "much")
    measured = looked_at(Measurement(Phase(1.0, 1.0, None, doubts=(own,))), flagperf_loop, engine(np.nan), BATCHES)
    assert [doubt.kind for doubt in measured.phase.doubts] == ["foo_time", "wrong outputs"]


def test_what_our_own_loop_measured_is_not_looked_at_again():
    measured = Measurement(Phase(1.0, 1.0, None), workload=object())
    assert looked_at(measured, None, None, None) is measured
