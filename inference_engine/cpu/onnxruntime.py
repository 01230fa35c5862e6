"""ONNX Runtime on the CPU, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import onnxruntime
import torch

from tools.cache import compiled_file
from tools.precision import setting_for

FILE = "model.optimized.onnx"
ERRORS_ONLY = 3


class InferModel:
    """One session over the optimised file, which is written once and loaded ever after, so that all runs run the same."""

    def __init__(self, config: Any, onnx_path: str, model: Any) -> None:
        del model
        setting_for(config, {"fp32": None}, "openvino and inductor compute in bf16 on a CPU")
        self._threads = config.threads
        self._path, self._cached = config.exist_compiler_path, True
        if self._path is None:
            self._path, self._cached = compiled_file(config, _version(), onnx_path, FILE, lambda path: _compile(onnx_path, path))
        options = _options(config.threads)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = _session(self._path, options)
        self._names = [port.name for port in self._session.get_inputs()]

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tuple[List[torch.Tensor], float]:
        """Run one query; the outputs are the session's fresh arrays, not copied."""
        feeds = {name: tensor.numpy() for name, tensor in zip(self._names, inputs)}
        return [torch.from_numpy(array) for array in self._session.run(None, feeds)], 0.0

    def describe(self) -> Dict[str, Any]:
        """What runs; `threads` is None where ONNX Runtime chooses: one per physical core."""
        return {
            "engine": _version(),
            "device": ", ".join(self._session.get_providers()),
            "precision": "fp32",
            "threads": self._threads,
            "compiled_file": self._path,
            "compiled_file_cached": self._cached,
        }


def _compile(onnx_path: str, path: Path) -> None:
    """Write the optimised model, its weights in a file beside it, since one file cannot hold more than 2 GiB."""
    options = _options(None)
    options.optimized_model_filepath = str(path)
    options.log_severity_level = ERRORS_ONLY  # it warns that the file is for this processor, which the cache's key says
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", path.name + ".data")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    _session(onnx_path, options)


def _options(threads: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    return options


def _session(path: str, options: Any) -> Any:
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _version() -> str:
    return "onnxruntime " + str(onnxruntime.__version__)
