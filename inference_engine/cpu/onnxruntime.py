"""ONNX Runtime on the CPU, in fp32, or in int8 by its static quantisation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import onnxruntime
import torch

from inference_engine.cpu._profiling import profiled_session, second_pass, swapped
from tools.cache import compiled_file
from tools.calibration import is_quantised, recipe
from tools.precision import as_it_ran, setting_for

FILE = "model.optimized.onnx"
PRODUCTS = ("Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul", "Attention", "MultiHeadAttention")
QUANTISED = (
    "ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QAttention", "QGemm", "QLinearConv",
    "QLinearMatMul",
)  # fmt: skip
ERRORS_ONLY = 3


class InferModel:
    """One session over the optimised file, which is written once and loaded ever after, so that all runs run the same."""

    def __init__(self, config: Any, onnx_path: str, model: Any) -> None:
        del model
        setting_for(config, {"fp32": None, "int8": None}, "openvino and inductor compute in bf16 on a CPU")
        self._path, self._cached = compiled_file(
            config, recipe(_version(), config), onnx_path, FILE, lambda path: _compile(onnx_path, path, config)
        )
        options = _options(config.threads)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = _session(self._path, options)
        self._names = [port.name for port in self._session.get_inputs()]
        self._ran = as_it_ran(_types(self._path))

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tuple[List[torch.Tensor], float]:
        """Run one query; the outputs are the session's fresh arrays, not copied."""
        feeds = {name: tensor.numpy() for name, tensor in zip(self._names, inputs)}
        return [torch.from_numpy(array) for array in self._session.run(None, feeds)], 0.0

    def describe(self) -> Dict[str, Any]:
        """What runs; without `threads` ONNX Runtime takes one per physical core."""
        return {
            "engine": _version(),
            "device": ", ".join(self._session.get_providers()),
            **self._ran,
            "concurrent": True,
            "threads": self._session.get_session_options().intra_op_num_threads or None,
            "compiled_file": self._path,
            "compiled_file_cached": self._cached,
        }

    def profile(self, run_once: Any, folder: Path) -> Any:
        """One pass in a session of its own, as profiling cannot be switched on in an open one."""
        with swapped(self, "_session", profiled_session(self._session, self._path, folder)) as session:
            return second_pass(run_once, session)


def _compile(onnx_path: str, path: Path, config: Any) -> None:
    if config.precision != "int8" or is_quantised(onnx_path):
        _write(onnx_path, path)
        return
    from inference_engine.cpu._onnxruntime_int8 import quantised  # noqa: PLC0415  (a quarter of a second)

    with tempfile.TemporaryDirectory(prefix="simplified") as folder:
        simplified = Path(folder) / "model.onnx"
        names = _write(onnx_path, simplified, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        with quantised(str(simplified), names, config) as source:
            _write(source, path)


def _write(source: str, path: Path, level: Any = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL) -> List[str]:
    """Write the optimised model, its weights beside it, as one file holds 2 GiB at most; return the names of its inputs."""
    options = _options(None)
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(path)
    options.log_severity_level = ERRORS_ONLY  # it warns that the file is for this processor, which the cache's key says
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", path.name + ".data")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    return [port.name for port in _session(source, options).get_inputs()]


def _types(path: str) -> Iterator[str]:
    """The type in which each product is computed, as its kernel's name says; none for a file in ONNX Runtime's own format."""
    import onnx  # noqa: PLC0415  (not needed once a model runs)

    if path.endswith(".ort"):
        return
    for node in onnx.load(path, load_external_data=False).graph.node:
        if node.op_type in QUANTISED:
            yield "int8"
        elif node.op_type in PRODUCTS:
            yield "fp32"


def _options(threads: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    return options


def _session(path: str, options: Any) -> Any:
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _version() -> str:
    return "onnxruntime " + str(onnxruntime.__version__)
