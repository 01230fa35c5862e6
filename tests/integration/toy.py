"""Cases and engines that take milliseconds and fail as a test wants them to; they need no torch."""

import textwrap

CASE = """
import time

import numpy

from tools.measure import measure

class Batch:
    items = size = 4
    expected_outputs = 1
    rows = numpy.arange(4)  # stands in for a tensor

def build_dataloader(config):
    return [Batch()] * 70

def create_model(config):
    def model(inputs):
        time.sleep(0.0003)  # so long that the loop's own cost is no doubt
        return inputs, 0.0
    return model

def evaluator(outputs, batch):
    return batch.items

def forward(sut, batch, config):
    return sut([batch.rows])

def model_forward(model, dataloader, evaluator, config):
    return measure(model, dataloader, forward, evaluator, config, "validation")

def export_model(model, config):
    return None

def engine_forward(engine, dataloader, evaluator, config):
    return measure(engine, dataloader, forward, evaluator, config, "inference")
"""
CONFIG = "batch_size: 4\ncompiler: {}\nrepeat: 1\nwarmup: 1\npercentiles: []\n"
ENGINE = """
import time

class InferModel:
    def __init__(self, config, onnx_path, model):
        {compile}

    def __call__(self, inputs):
        {call}

    def describe(self):
        return {{"engine": "toy 1.0", "device": "none", "precision": "fp32"}}
"""


def add_case(project, name, compiler="toy", code="", vendor="cpu", framework="pytorch_2.13", **engine):
    """Write the case `name`, `code` after its six functions, and its engine; return its entry in CASES.

    The engine's `compile` and `call` are the bodies of __init__ and __call__.
    """
    project.write(f"configs/{name}/configurations.yaml", CONFIG.format(compiler))
    project.write(f"benchmarks/{name}/pytorch/__init__.py", CASE + textwrap.dedent(code))
    bodies = {"compile": "pass", "call": "time.sleep(0.0003)\nreturn inputs, 0.0", **engine}
    text = ENGINE.format(**{name: body.replace("\n", "\n        ") for name, body in bodies.items()})
    project.write(f"inference_engine/{vendor}/{compiler}.py", text)
    return {f"{name}:{framework}": str(project.data)}
