"""The sweep over batch sizes and clients, with a case and engines of known speed."""

from collections import namedtuple

import pytest
import torch
from loop_fakes import Batch, FakeClock, Loader, half_right, once

from tools.clients import SERIALISED
from tools.contract import FAILED, INVALID, OK, Latency, Percentile, Phase, Reason, SweepPoint
from tools.measure import measure
from tools.sweep import Subject, sweep, with_knee

KEYS = {
    "repeat": 3, "warmup": 0, "min_seconds": 0.0, "percentiles": (), "batch_size": 4, "batch_sizes": (), "clients": (),
    "dynamic_batch": False, "precision": "fp32", "exist_onnx_path": None, "exist_compiler_path": None,
    "vendor": "fake", "log_freq": 30,
}  # fmt: skip
MS = 1e-3


class Engine:
    """Takes `fixed` and `each` seconds per query and row; cannot hold more rows than `most`."""

    def __init__(self, clock, rows, most=10**6, fixed=4 * MS, each=1 * MS):
        self._clock, self._rows, self._most, self._fixed, self._each = clock, rows, most, fixed, each
        self.closed = False

    def __call__(self, inputs):
        if len(inputs[0]) > self._most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if self._rows and len(inputs[0]) != self._rows:
            raise ValueError("compiled for another batch")
        self._clock.advance(self._fixed + self._each * len(inputs[0]))
        return [inputs[0]], 0.0

    def close(self):
        self.closed = True


class Case:
    evaluator = staticmethod(half_right)

    def __init__(self, clock):
        self._clock = clock

    def build_dataloader(self, config):
        return Loader([Batch(torch.zeros(config.batch_size, 2), config.batch_size, config.batch_size) for _ in range(4)])

    def engine_forward(self, engine, dataloader, evaluator, config):
        return measure(engine, dataloader, once, evaluator, config, "inference", clock=self._clock)


def swept(most=10**6, own_rows=4, wrong=lambda measured: [], **changes):
    clock, made = FakeClock(), []
    config = namedtuple("Config", KEYS)(**dict(KEYS, **changes))
    case = Case(clock)

    def compile_for(other):
        made.append(Engine(clock, other.batch_size, most))
        return made[-1], 1.5

    engine = Engine(clock, own_rows, most)
    measured = case.engine_forward(engine, case.build_dataloader(config), half_right, config)
    return sweep(Subject(case, config, compile_for, wrong), engine, measured), made, measured


def test_each_size_is_measured_and_only_others_than_the_cases_own_are_compiled_anew():
    points, made, measured = swept(batch_sizes=(1, 4, 16))
    assert [(point.batch_size, point.clients, point.status) for point in points] == [(1, 1, OK), (4, 1, OK), (16, 1, OK)]
    assert [round(point.phase.core) for point in points] == [200, 500, 800]
    assert [point.compile_seconds for point in points] == [1.5, None, 1.5]
    assert points[1].phase is measured.phase
    assert [engine.closed for engine in made] == [True, True]


def test_an_engine_with_a_dynamic_batch_is_never_compiled_anew():
    points, made, _ = swept(batch_sizes=(1, 4, 16), dynamic_batch=True, own_rows=0)
    assert (len(points), made) == (3, [])


def test_the_knee_is_where_throughput_by_latency_is_greatest():
    points, _, _ = swept(batch_sizes=(1, 2, 4, 8, 16))
    assert [point.batch_size for point in points if point.knee] == [4]  # fixed cost / cost per row


def test_a_batch_that_runs_out_of_memory_ends_the_sweep_upward():
    points, _, _ = swept(batch_sizes=(1, 8, 16, 32), most=8)
    assert [(point.batch_size, point.status) for point in points] == [(1, OK), (8, OK), (16, FAILED)]
    assert points[-1].detail.startswith("out of memory: ")


def test_any_other_failure_costs_only_its_own_size():
    points, _, _ = swept(batch_sizes=(1, 4, 16), dynamic_batch=True)
    assert [(point.batch_size, point.status) for point in points] == [(1, FAILED), (4, OK), (16, FAILED)]
    assert points[0].detail == "ValueError: compiled for another batch"


def test_a_size_at_which_outputs_are_no_numbers_must_not_be_quoted_though_there_is_no_reference(monkeypatch):
    right = Engine.__call__
    broken = lambda self, inputs: right(self, [inputs[0] * (float("nan") if len(inputs[0]) == 1 else 1.0)])
    monkeypatch.setattr(Engine, "__call__", broken)
    points, _, _ = swept(batch_sizes=(1, 4))
    assert [point.status for point in points] == [INVALID, OK]
    assert points[0].detail.startswith("NaN in the outputs of 12 of 12 items")


def test_a_given_file_cannot_be_swept_where_its_batch_is_static():
    points, _, _ = swept(batch_sizes=(1, 4), exist_onnx_path="model.onnx")
    assert [point.status for point in points] == [FAILED, OK]
    assert "set dynamic_batch" in points[0].detail


@pytest.mark.parametrize("concurrent", [False, True])
def test_clients_of_an_engine_that_cannot_be_called_concurrently_are_serialised_with_a_note(concurrent, monkeypatch):
    monkeypatch.setattr("tools.clients.LEAST_SECONDS", 0.01)  # by the real clock: threads have no other
    monkeypatch.setattr(Engine, "describe", lambda self: {"concurrent": concurrent}, raising=False)
    points, _, _ = swept(clients=(1, 2))
    assert [(point.clients, SERIALISED in point.detail) for point in points] == [(1, False), (2, not concurrent)]
    assert points[1].phase.core > 0


@pytest.mark.parametrize("count", [0, 2])
def test_two_points_have_no_knee(count):
    assert not any(point.knee for point in with_knee([SweepPoint(1, 1, OK)] * count))


def test_a_size_whose_outputs_are_wrong_is_invalid_and_never_the_knee():
    def wrong(one):
        return [Reason("accuracy", "0.1")] if len(one.outputs[0][0]) == 4 else []

    points, _, _ = swept(batch_sizes=(1, 2, 4, 8, 16), wrong=wrong)
    assert [(point.batch_size, point.status) for point in points if point.status != OK] == [(4, INVALID)]
    assert [point.batch_size for point in points if point.knee] in ([2], [8])


def test_the_knee_goes_by_the_mean_latency():
    def point(batch_size, core, p50, mean):
        latency = Latency(5, 1, mean, 9, [Percentile(50.0, p50, 11)])
        return SweepPoint(batch_size, 1, OK, Phase(core, core, None, latency=latency))

    points = with_knee([point(1, 10.0, None, 10.0), point(2, 30.0, None, 12.0), point(4, 31.0, None, 40.0)])
    assert [each.knee for each in points] == [False, True, False]
