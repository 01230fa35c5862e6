"""OpenVINO on the CPU, in fp32 or bf16: always told which, since left alone it takes bf16 wherever the CPU has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import openvino
import torch

from tools.cache import compiled_file
from tools.precision import setting_for, unsupported
from tools.signal_stack import kept_signal_stack

FILE = "model.blob"
HINTS = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16, "fp16": openvino.Type.f16}
DEVICE = "CPU"


class InferModel:
    """One infer request on a compiled model, which is loaded from its file, so that all runs run the same."""

    def __init__(self, config: Any, onnx_path: str, model: Any) -> None:
        del model
        hint = setting_for(config, HINTS)
        properties: Dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if config.threads is not None:
            properties["INFERENCE_NUM_THREADS"] = config.threads
        self._path, self._cached = config.exist_compiler_path, True
        with kept_signal_stack():
            if self._path is None:
                self._path, self._cached = compiled_file(
                    config, _version(), onnx_path, FILE, lambda path: _compile(onnx_path, path, properties)
                )
            self._compiled = _load(Path(self._path), properties)
        self._precision = _active_precision(self._compiled, config)
        self._request = self._compiled.create_infer_request()

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tuple[List[torch.Tensor], float]:
        """Run one query; the outputs are copies, as the request writes its next ones over its last."""
        results = self._request.infer([tensor.numpy() for tensor in inputs], share_inputs=True, share_outputs=False)
        return [torch.from_numpy(array) for array in results.values()], 0.0

    def describe(self) -> Dict[str, Any]:
        """What runs, as the compiled model itself says."""
        return {
            "engine": _version(),
            "device": ", ".join(self._compiled.get_property("EXECUTION_DEVICES")),
            "precision": self._precision,
            "threads": self._compiled.get_property("INFERENCE_NUM_THREADS"),
            "compiled_file": self._path,
            "compiled_file_cached": self._cached,
        }


def _compile(onnx_path: str, path: Path, properties: Dict[str, Any]) -> None:
    compiled = openvino.Core().compile_model(onnx_path, DEVICE, properties)
    path.write_bytes(compiled.export_model().getbuffer())


def _load(path: Path, properties: Dict[str, Any]) -> Any:
    """A compiled model from a blob of this engine's, mapped and not read, or from an IR (.xml) or ONNX file."""
    if path.suffix != ".blob":
        return openvino.Core().compile_model(str(path), DEVICE, properties)
    return openvino.Core().import_model(openvino.Tensor(np.memmap(str(path), dtype=np.uint8, mode="r")), DEVICE, properties)


def _active_precision(compiled: Any, config: Any) -> str:
    """What the compiled model computes in. Raises ConfigError where that is not what was asked for."""
    active = compiled.get_property("INFERENCE_PRECISION_HINT")
    name = next((name for name, hint in HINTS.items() if hint == active), str(active))
    if name != config.precision:
        raise unsupported(config, "it would take {}".format(name))
    return name


def _version() -> str:
    return "openvino " + str(openvino.__version__)
