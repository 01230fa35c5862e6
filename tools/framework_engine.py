"""The framework itself as an engine: the reference that every compiler is compared with, through the same loop."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

from tools.fpmath import bf16_products, is_honoured

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class FrameworkEngine:
    """A torch model, called as an `InferModel` is, in `precision` (None: config.precision).

    bf16 on a CPU leaves the model in fp32 and has oneDNN multiply in bf16, where the CPU does so. Otherwise fp16 and bf16 cast a
    copy of the model, since what the case made goes on to the ONNX export; int8 is no precision of the framework's, so that its
    reference is the model as it is.
    """

    def __init__(self, model: Any, config: Any, precision: Optional[str] = None) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self._source, self._config = model, config
        wanted = precision or config.precision
        self._device = _device(model)
        self._tf32 = _without_tf32() if self._device.type == "cuda" and wanted == "fp32" else None
        self._fpmath = wanted == "bf16" and _takes_fpmath(model, self._device)
        self._model, self._how = _in_precision(model, torch.float32 if self._fpmath else DTYPES.get(wanted))
        self._dtype = _dtype(self._model)
        if isinstance(self._model, torch.nn.Module):
            self._model.eval()

    def __call__(self, inputs: Sequence[Any]) -> Tuple[List[Any], float]:
        """Run the model on `inputs` (CPU tensors; floating ones take the model's precision); the SUT waits for the device."""
        with torch.inference_mode(), bf16_products() if self._fpmath else _as_it_is():
            outputs = self._model(*[self._placed(tensor) for tensor in inputs])
        return _tensors(outputs), 0.0

    def reference(self) -> Optional[FrameworkEngine]:
        """The same model in fp32, which all differences are against; None where this engine is that already."""
        if self._dtype == torch.float32 and not self._fpmath:
            return None
        return FrameworkEngine(self._source, self._config, "fp32")

    def describe(self) -> Dict[str, Any]:
        """Framework, device, the precision that products are computed in, and how that came."""
        said: Dict[str, Any] = {
            "engine": "torch " + torch.__version__,
            "device": _device_name(self._device),
            "precision": "bf16" if self._fpmath else _NAMES.get(self._dtype, str(self._dtype)),
            "precision_by": "the model in fp32, products by oneDNN's fpmath mode bf16" if self._fpmath else self._how,
            "threads": torch.get_num_threads(),
        }
        return said if self._tf32 is None else dict(said, tf32=self._tf32)

    def _placed(self, tensor: Any) -> Any:
        if not isinstance(tensor, torch.Tensor):
            return tensor
        if tensor.is_floating_point():
            return tensor.to(self._device, self._dtype)
        return tensor.to(self._device)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _takes_fpmath(model: Any, device: torch.device) -> bool:
    return device.type == "cpu" and isinstance(model, torch.nn.Module) and _dtype(model) == torch.float32 and is_honoured()


def _in_precision(model: Any, dtype: Any) -> Tuple[Any, str]:
    """The model in `dtype` (None: as it is) and how that was done."""
    if dtype is None or not isinstance(model, torch.nn.Module) or _dtype(model) == dtype:
        return model, "the model as the case made it"
    return copy.deepcopy(model).to(dtype=dtype), "a copy of the model, cast"


def _without_tf32() -> bool:
    """Make fp32 mean fp32: convolutions would silently run in TF32. Returns whether TF32 is still on."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return bool(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)


def _floating(model: Any) -> List[Any]:
    parameters = list(model.parameters()) if hasattr(model, "parameters") else []
    return [parameter for parameter in parameters if parameter.is_floating_point()]


def _dtype(model: Any) -> Any:
    """The one dtype of the model's floating-point weights; fp32 where it has none, the most frequent where it mixes them."""
    count: Dict[Any, int] = {}
    for parameter in _floating(model):
        count[parameter.dtype] = count.get(parameter.dtype, 0) + parameter.numel()
    return max(count, key=lambda dtype: count[dtype]) if count else torch.float32


def _device(model: Any) -> torch.device:
    weights = _floating(model)
    return weights[0].device if weights else torch.device("cpu")


def _device_name(device: torch.device) -> str:
    name = getattr(getattr(torch, device.type, None), "get_device_name", None)
    return str(device) if name is None else "{} ({})".format(device, name(device))


def _tensors(outputs: Any) -> List[Any]:
    """What a model returns, as a list of tensors: a tensor, a tuple, a dict, or transformers' ModelOutput (its logits)."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if getattr(outputs, "logits", None) is not None:
        return [outputs.logits]
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [value for value in values if isinstance(value, torch.Tensor)]
