"""An engine under loadgen's two tests, asked by a loadgen that only keeps what it is told."""

from types import SimpleNamespace

import torch

from tools import load_audit
from tools.load_audit import LoadAudit
from tools.load_samples import Judge, Samples, Work
from tools.load_sut import LoadSUT
from tools.workload import Workload

ROWS = torch.eye(8)


class Loadgen:
    QuerySampleResponse = staticmethod(lambda number, data, size: number)
    QuerySamplesComplete = staticmethod(lambda responses: None)


class Loader:
    dataset = tuple(range(8))

    @staticmethod
    def collate_fn(items):
        return SimpleNamespace(items=len(items), inputs=[ROWS[items]])


def twice(rows):
    return rows * 2


def zeros(rows):
    return rows * 0


def audited(timed, judged=twice, queries=range(40)):
    """What is said of an engine that computes `timed` under the performance test and `judged` under the accuracy test."""
    workload = Workload(Loader(), lambda sut, batch, config: sut(batch.inputs), None, SimpleNamespace(batch_size=2))
    samples, audit = Samples(workload, singly=False, together=True), LoadAudit("Offline", "fp32")
    for compute, judge, witness in ((timed, None, audit.timed), (judged, Judge(workload), audit.judged)):
        work = Work(workload, samples, judge, witness)
        sut = LoadSUT(Loadgen, lambda inputs, compute=compute: ([compute(inputs[0])], 0.0), work)
        sut.load(range(8))
        for number in queries:
            sut.issue([SimpleNamespace(id=0, index=number % 8), SimpleNamespace(id=1, index=(number + 3) % 8)])
        assert sut.error is None
    return audit.check()


def test_an_engine_that_computes_the_same_in_both_tests_passes():
    assert audited(twice).passed is True


def test_an_engine_that_is_wrong_only_in_the_performance_test_fails():
    check = audited(zeros)
    assert (check.name, check.passed) == ("Offline: outputs in performance mode equal those in accuracy mode", False)
    assert "the outputs are not those of the accuracy test" in check.detail


def test_one_that_grows_lazy_towards_the_end_fails_too(monkeypatch):
    monkeypatch.setattr(load_audit, "MOST_BATCHES", 4)
    calls = []
    assert audited(lambda rows: zeros(rows) if calls.append(0) or len(calls) > 36 else twice(rows)).passed is False


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(load_audit, "MOST_BYTES", 3 * 2 * 8 * 4)
    assert "over 12 samples" in audited(twice).detail


def test_outputs_without_a_row_for_each_sample_cannot_be_audited():
    assert audited(lambda rows: rows.sum()).passed is None
    assert audited(lambda rows: rows[:1]).passed is None
