"""torch.compile with its inductor on the CPU, in fp32, or in bf16 or fp16 by oneDNN where the CPU has them."""

from __future__ import annotations

import copy
import os
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch._inductor import config as inductor_config

from tools.errors import ConfigError
from tools.precision import as_it_ran, setting_for

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NATIVE = {"bf16": "_is_mkldnn_bf16_supported", "fp16": "_is_mkldnn_fp16_supported"}
"""How torch says whether oneDNN has kernels for a type on this CPU; without them it converts at every step."""


class InferModel:
    """A compiled copy of the model; its kernels are kept in onnxs/inductor by torch's own cache."""

    def __init__(self, config: Any, onnx_path: Optional[str], model: Any) -> None:
        self._dtype = setting_for(config, DTYPES, "openvino and onnxruntime compute in int8 on a CPU")
        _check(config, model)
        _spare_openssl()
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(config.perf_dir) / "onnxs" / "inductor")
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self._model = torch.compile(copy.deepcopy(model).eval().to(dtype=self._dtype), dynamic=config.dynamic_batch)
        if onnx_path is not None:
            self(_example_inputs(onnx_path, config.batch_size))

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tuple[List[torch.Tensor], float]:
        """Run one query; floating inputs take the model's precision, the outputs come back as they are."""
        with torch.inference_mode():
            outputs = self._model(*[self._cast(tensor) for tensor in inputs])
        return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs), 0.0

    def describe(self) -> Dict[str, Any]:
        """What runs."""
        return {
            "engine": "inductor, torch " + str(torch.__version__),
            "device": "cpu",
            **as_it_ran(_types(self._model)),
            "precision_is_native": _is_native(self._dtype),
            "concurrent": False,
            "threads": torch.get_num_threads(),
            "compiled_file_cached": _cache_hits() > 0,
        }

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor


def _check(config: Any, model: Any) -> None:
    if config.exist_compiler_path is not None:
        raise ConfigError(
            "inductor has no compiled file to load; set exist_compiler_path: null (its own cache is in onnxs/inductor)"
        )
    if model is None:
        raise ConfigError("inductor compiles the framework's model; set no_validation: false, or take another compiler")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"inductor compiles C++, and {compiler} is not where this case runs; install g++ there (in its Dockerfile), "
            "set CXX to another C++ compiler, or take another engine"
        )


def _spare_openssl() -> None:
    """Let torch do without the program openssl, from which it has the checksums of precompiled headers."""
    if shutil.which("openssl") is None and hasattr(inductor_config, "cpp_cache_precompile_headers"):
        inductor_config.cpp_cache_precompile_headers = False


def _example_inputs(onnx_path: str, batch_size: int) -> List[torch.Tensor]:
    """Zeros of the shapes and types that the ONNX file's inputs have, so that compiling is done before anything is measured."""
    import onnx  # noqa: PLC0415  (only for this)

    graph = onnx.load(onnx_path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return [_zeros(port.type.tensor_type, batch_size, onnx) for port in graph.input if port.name not in weights]


def _zeros(tensor_type: Any, batch_size: int, onnx: Any) -> torch.Tensor:
    shape = [dimension.dim_value or batch_size for dimension in tensor_type.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor_type.elem_type)
    return torch.zeros(shape, dtype=getattr(torch, str(dtype)))


def _types(model: Any) -> List[str]:
    """The types of the weights of all convolutions and linear layers, or of what weights there are where these are none."""
    layers = [module for module in model.modules() if isinstance(getattr(module, "weight", None), torch.Tensor)]
    products = [layer for layer in layers if layer.weight.dim() > 1] or layers
    return [str(layer.weight.dtype).replace("torch.", "") for layer in products]


def _is_native(dtype: torch.dtype) -> Any:
    """Whether oneDNN computes in `dtype` on this CPU; None where torch is too old to say."""
    name = next((NATIVE[name] for name in NATIVE if DTYPES[name] == dtype), None)
    if name is None:
        return True
    ask = getattr(torch.ops.mkldnn, name, None)
    return None if ask is None else bool(ask())


def _cache_hits() -> int:
    from torch._dynamo.utils import counters  # noqa: PLC0415  (where torch keeps them; read, never written)

    return int(counters["inductor"].get("fxgraph_cache_hit", 0))
