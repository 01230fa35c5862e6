"""What our scenarios cost beside loadgen called bare with the same engine; run as a script (needs mlcommons-loadgen and torch).

SingleStream, in turns: medians of the latencies that loadgen measures over digits, and queries per second of a null engine.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "unit")]

import mlperf_loadgen as lg
import torch
from case_support import case_config

from benchmarks.digits import pytorch as digits
from benchmarks.shared.classification import classify
from inference_engine.cpu.onnxruntime import InferModel
from tools.load_samples import Samples, Work
from tools.load_sut import LoadSUT
from tools.loadgen import read_summary, run_test
from tools.workload import Workload

ROUNDS, MILLISECONDS = 11, 1000


class OneBatch:
    """A data set of one item whose batch exists already."""

    def __init__(self, batch):
        self.dataset, self.batch = [0], batch

    def collate_fn(self, items):
        return self.batch


def null_engine(inputs):
    """Does nothing; what it returns exists already."""
    return inputs, 0.0


def settings(expected_ns):
    test = lg.TestSettings()
    test.scenario, test.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
    test.min_duration_ms, test.single_stream_expected_latency_ns = MILLISECONDS, expected_ns
    return test


def bare(engine, workload, expected_ns, folder):
    """Return loadgen's summary of the least SUT that can be written in Python."""
    batches = {index: workload.batch([index]) for index in range(workload.samples)}

    def issue(query):
        engine(batches[query[0].index].inputs)
        lg.QuerySamplesComplete([lg.QuerySampleResponse(query[0].id, 0, 0)])

    logs = lg.LogSettings()
    logs.log_output.outdir, logs.log_output.copy_summary_to_stdout = str(folder), False
    sut = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(workload.samples, workload.samples, lambda indices: None, lambda indices: None)
    lg.StartTestWithLogSettings(sut, library, settings(expected_ns), logs, "")
    lg.DestroyQSL(library)
    lg.DestroySUT(sut)
    return read_summary(folder).lines


def ours(engine, workload, expected_ns, folder):
    """Return loadgen's summary of our SUT."""
    sut = LoadSUT(lg, engine, Work(workload, Samples(workload, singly=True, together=False)))
    run_test(lg, settings(expected_ns), sut, workload.samples, workload.samples, folder)
    return read_summary(folder).lines


def compare(engine, workload, expected_ns, name):
    """Return `name` of bare's and our summaries, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = []
        for number in range(ROUNDS):
            order = (bare, ours) if number % 2 else (ours, bare)
            seen = {way: float(way(engine, workload, expected_ns, Path(folder))[name]) for way in order}
            rounds.append((seen[bare], seen[ours]))
    return zip(*rounds, strict=True)


def digits_workload(folder, batch_size):
    config = case_config("digits", folder, "embedded", batch_size=batch_size, compiler="onnxruntime", threads=1)
    model = digits.create_model(config)
    engine = InferModel(config, digits.export_model(model, config), model)
    return engine, Workload(digits.build_dataloader(config), classify, digits.evaluator, config)


def compare_digits(batch_size, expected_ns):
    """Print bare and ours over digits; a query of one image is filled up to `batch_size`, so that the engine takes longer."""
    with tempfile.TemporaryDirectory() as folder:
        engine, workload = digits_workload(Path(folder), batch_size)
        plain, measured = compare(engine, workload, expected_ns, "50.00 percentile latency (ns)")
    for which, pick in (("median", statistics.median), ("quietest", min)):
        bare_us, our_us = pick(plain) / 1e3, pick(measured) / 1e3
        print(
            f"SingleStream, digits on onnxruntime, batches of {batch_size}, {which} round: bare {bare_us:.1f} us, "
            f"ours {our_us:.1f} us per query, ratio {our_us / bare_us:.3f}, {our_us - bare_us:.1f} us more"
        )


def main():
    compare_digits(1, 30_000)
    compare_digits(64, 500_000)
    batch = SimpleNamespace(items=1, size=1, inputs=[torch.zeros(1, 10)])
    null = Workload(OneBatch(batch), lambda sut, batch, config: sut(batch.inputs), None, SimpleNamespace(batch_size=1))
    plain, measured = compare(null_engine, null, 5_000, "QPS w/ loadgen overhead")
    for which, pick in (("median", statistics.median), ("quietest", max)):
        print(f"SingleStream, null engine, {which} round: bare {pick(plain):,.0f}, ours {pick(measured):,.0f} queries/s")


if __name__ == "__main__":
    main()
