"""OpenVINO on the CPU, in any precision: always told which, since left alone it takes bf16 wherever the CPU has it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import openvino
import torch

from inference_engine.cpu._openvino_int8 import QUANTISER, quantised
from inference_engine.cpu._profiling import ProfiledRequest, swapped
from tools.cache import compiled_file
from tools.calibration import is_quantised, recipe
from tools.precision import as_it_ran, setting_for
from tools.signal_stack import kept_signal_stack

FILE = "model.blob"
HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""What is computed in where nothing is quantised. A CPU that has no such type takes another: `describe()` says which."""
PRODUCTS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul", "Gemm", "RNNCell", "RNNSeq")
"""The operators that multiply, by the names that OpenVINO gives its layers on a CPU."""
DEVICE = "CPU"


class InferModel:
    """One infer request per calling thread on a model that is loaded from its compiled file, so that all runs run the same."""

    def __init__(self, config: Any, onnx_path: str, model: Any) -> None:
        del model
        properties: Dict[str, Any] = {"INFERENCE_PRECISION_HINT": setting_for(config, HINTS), "PERFORMANCE_HINT": "LATENCY"}
        if config.threads is not None:
            properties["INFERENCE_NUM_THREADS"] = config.threads
        self._properties, made_by = properties, recipe(_version(), config, QUANTISER)
        with kept_signal_stack():
            self._path, self._cached = compiled_file(
                config, made_by, onnx_path, FILE, lambda path: _compile(onnx_path, path, properties, config)
            )
            self._compiled = _load(Path(self._path), properties)
        self._ran = as_it_ran(_types(self._compiled))
        self._threads = threading.local()

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tuple[List[torch.Tensor], float]:
        """Run one query; the outputs are copies, as the request writes its next ones over its last.

        The inputs are set one by one, since handing them to `infer` takes the binding some 0.1 ms longer.
        """
        request = getattr(self._threads, "request", None) or self._new_request()
        for place, tensor in enumerate(inputs):
            request.set_input_tensor(place, openvino.Tensor(tensor.contiguous().numpy(), shared_memory=True))
        return [torch.from_numpy(array) for array in request.infer(share_outputs=False).values()], 0.0

    def describe(self) -> Dict[str, Any]:
        """What runs, as the compiled model itself says."""
        return {
            "engine": _version(),
            "device": ", ".join(self._compiled.get_property("EXECUTION_DEVICES")),
            **self._ran,
            "concurrent": True,
            "threads": self._compiled.get_property("INFERENCE_NUM_THREADS"),
            "compiled_file": self._path,
            "compiled_file_cached": self._cached,
        }

    def profile(self, run_once: Any, folder: Path) -> Any:
        """One pass by OpenVINO's own profiler, of the same file loaded once more."""
        with kept_signal_stack():
            compiled = _load(Path(self._path), dict(self._properties, PERF_COUNT=True))
        with swapped(self._threads, "request", ProfiledRequest(compiled)) as request:
            return request.second_pass(run_once, folder)

    def _new_request(self) -> Any:
        self._threads.request = self._compiled.create_infer_request()
        return self._threads.request


def _compile(onnx_path: str, path: Path, properties: Dict[str, Any], config: Any) -> None:
    core = openvino.Core()
    model = core.read_model(onnx_path)
    if config.precision == "int8" and not is_quantised(onnx_path):
        model = quantised(model, config)
    path.write_bytes(core.compile_model(model, DEVICE, properties).export_model().getbuffer())


def _load(path: Path, properties: Dict[str, Any]) -> Any:
    """A compiled model from a blob of this engine's, mapped and not read, or from an IR (.xml) or ONNX file."""
    if path.suffix != ".blob":
        return openvino.Core().compile_model(str(path), DEVICE, properties)
    return openvino.Core().import_model(openvino.Tensor(np.memmap(str(path), dtype=np.uint8, mode="r")), DEVICE, properties)


def _types(compiled: Any) -> List[str]:
    """The types in which the runtime executes the operators that multiply, one by one."""
    facts = [operator.get_rt_info() for operator in compiled.get_runtime_model().get_ordered_ops()]
    return [_text(fact["runtimePrecision"]) for fact in facts if _text(fact["layerType"]) in PRODUCTS]


def _text(value: Any) -> str:
    """A runtime model's attribute: text, or older versions' object around it."""
    return value if isinstance(value, str) else str(value.astype(str))


def _version() -> str:
    return "openvino " + str(openvino.__version__)
