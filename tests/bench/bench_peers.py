"""Our loop beside others' on the same model, engine and settings, in turns; run as a script (needs openvino and polygraphy).

openvino's own benchmark_app (`-hint latency -api sync -infer_precision f32`) and polygraphy's onnxruntime runner: ratios of the
medians of what each says a query takes. Both tell the time of the inference alone: polygraphy without its loop, benchmark_app
without handing over inputs and outputs, which takes OpenVINO's Python binding some 0.05 ms and is part of what we time.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "unit")]

import numpy as np
import onnxruntime
from case_support import case_config
from polygraphy.backend.onnxrt import OnnxrtRunner

from benchmarks.digits import pytorch as digits
from benchmarks.resnet50 import pytorch as resnet50
from benchmarks.shared.classification import classify
from inference_engine.cpu import onnxruntime as ours_onnxruntime
from inference_engine.cpu import openvino as ours_openvino
from tools.measure import measure

ROUNDS, SECONDS = 21, 1
QUICK = {"warmup": 0, "percentiles": (), "min_seconds": float(SECONDS), "log_freq": 10**9}
ENGINES = {"openvino": ours_openvino, "onnxruntime": ours_onnxruntime}
CASES = {"digits": (digits, "embedded", 512), "resnet50": (resnet50, "synthetic", 1)}
"""With data and batch size; the query is to take some ms, so that handing over is no great part of it."""


def ours(engine, batch, config):
    """Return the median in ms of a query in our loop, over one batch as the peers do it."""
    measured = measure(engine, [batch], classify, None, config, "inference")
    return statistics.median(measured.latencies_ns) / 1e6


def benchmark_app(onnx_path):
    """Return the median in ms that openvino's benchmark_app prints."""
    command = [Path(sys.executable).with_name("benchmark_app"), "-m", onnx_path, "-hint", "latency", "-api", "sync"]
    done = subprocess.run(
        [*command, "-infer_precision", "f32", "-t", str(SECONDS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    median, unit = re.search(r"Median:\s+([\d.]+) (us|ms)", done.stdout).groups()
    return float(median) / (1000 if unit == "us" else 1)


def polygraphy(path, batch):
    """Return the median in ms that polygraphy's runner says, with our engine's optimised file and options."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: batch.inputs[0].numpy()}
    with OnnxrtRunner(session) as runner:
        seconds, until = [], time.monotonic() + SECONDS
        while time.monotonic() < until:
            runner.infer(feed)
            seconds.append(runner.last_inference_time())
    return float(np.median(seconds)) * 1e3


def in_turns(mine, other):
    """Return the medians of both over the rounds, and that of their ratio, as both parts of a round met the same machine."""
    pairs = []
    for number in range(ROUNDS):
        first, second = (mine, other) if number % 2 else (other, mine)
        pair = {first: first(), second: second()}
        pairs.append((pair[mine], pair[other]))
    middle = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return (*middle, statistics.median(left / right for left, right in pairs))


def compare(name, compiler, onnx_path, batch, config):
    """Print our median and the peer's for one engine."""
    engine = ENGINES[compiler].InferModel(config, onnx_path, None)
    if compiler == "openvino":
        peer, other = "benchmark_app", partial(benchmark_app, onnx_path)
    else:
        peer, other = "polygraphy", partial(polygraphy, engine.describe()["compiled_file"], batch)
    mine, theirs, ratio = in_turns(partial(ours, engine, batch, config), other)
    print(f"{name} {compiler}: ours {mine:.4f} ms, {peer} {theirs:.4f} ms, median ratio {ratio:.3f}")


def main():
    for name, (case, data, batch_size) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            config = case_config(name, Path(folder), data, batch_size=batch_size, **QUICK)
            batch = next(iter(case.build_dataloader(config)))
            onnx_path = case.export_model(case.create_model(config), config)
            for compiler in ENGINES:
                compare(name, compiler, onnx_path, batch, config._replace(compiler=compiler))


if __name__ == "__main__":
    main()
