"""A project of one toy case and one toy engine, written into a folder; needs no torch and takes milliseconds."""

from pathlib import Path

CASE = """
import time
from pathlib import Path

import numpy

from tools.measure import measure

class Batch:
    items, size, expected_outputs = 4, 4, 1
    def __init__(self):
        self.rows = numpy.array([1, 2, 3, 4])  # stands in for a tensor

def note(config, text):
    with (Path(config.log_dir) / "calls").open("a") as stream:
        stream.write(text + "\\n")

def build_dataloader(config):
    note(config, "build_dataloader " + config.framework)
    return [Batch(), Batch()]

def create_model(config):
    note(config, "create_model")
    def model(inputs):
        time.sleep(0.003)  # so long that the loop's own cost is no doubt, of a slow machine's neither
        return inputs, 0.0

    return model

def evaluator(outputs, batch):
    return 3.0

def forward(sut, batch, config):
    return sut([batch.rows])

def model_forward(model, dataloader, evaluator, config):
    note(config, "model_forward")
    return measure(model, dataloader, forward, evaluator, config, "validation")

def export_model(model, config):
    note(config, "export_model")
    path = Path(config.log_dir) / "toy.onnx"
    path.write_text("onnx")
    return str(path)

def engine_forward(engine, dataloader, evaluator, config):
    note(config, "engine_forward")
    return measure(engine, dataloader, forward, evaluator, config, "inference")
"""

ENGINE = """
import time
from benchmarks_note import note

class InferModel:
    def __init__(self, config, onnx_path, model):
        self._config = config
        note(config, "compile {} {} {}".format(onnx_path, config.exist_compiler_path, model is None))

    def __call__(self, inputs):
        time.sleep(0.003)
        return inputs, 0.0

    def close(self):
        note(self._config, "close")

    def describe(self):
        return {"precision": "fp32", "device": "toy"}
"""

NOTE = """
from pathlib import Path

def note(config, text):
    with (Path(config.log_dir) / "calls").open("a") as stream:
        stream.write(text + "\\n")
"""

CONFIG = """
batch_size: 4
flops: 2*10
compiler: toyc
num_workers: 0
log_freq: 30
repeat: 2
warmup: 0
percentiles: []
"""


class Project:
    """`calls` are the plug-ins' functions as they were called."""

    def __init__(self, root: Path):
        self.root, self.log_dir, self.data_dir = root / "project", root / "log", root / "data"
        self.data_dir.mkdir(parents=True)
        self.write("configs/toy/configurations.yaml", CONFIG)
        self.write("benchmarks/toy/pytorch/__init__.py", CASE)
        self.write("inference_engine/acme/toyc.py", ENGINE)
        self.write("benchmarks_note.py", NOTE)
        for package in ("benchmarks", "inference_engine"):
            self.write(package + "/__init__.py", "")  # else this checkout's would be found before

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def change_case(self, old: str, new: str) -> None:
        self.change("benchmarks/toy/pytorch/__init__.py", old, new)

    def change_engine(self, old: str, new: str) -> None:
        self.change("inference_engine/acme/toyc.py", old, new)

    @property
    def calls(self):
        path = self.log_dir / "calls"
        return path.read_text().splitlines() if path.exists() else []
