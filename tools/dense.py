"""What an engine returns, as values that are really there: dense tensors on the CPU."""

from __future__ import annotations

import sys
from typing import Any, Callable, Sequence, Tuple

import numpy as np

from tools.errors import CaseCrash


def settled(answer: Any, waits: Sequence[Callable[[], Any]]) -> Tuple[Any, float]:
    """An engine's `(outputs, foo_time)` once the devices have finished (`waits`, of tools.device) and all outputs are dense: a
    list of them, or the one stacked tensor.

    Raises CaseCrash when the answer is something else, or stands for values that only the engine can compute.
    """
    try:
        outputs, foo_seconds = answer
    except (TypeError, ValueError) as error:
        raise CaseCrash(_not_an_answer(answer)) from error
    for wait in waits:
        wait()
    try:
        tensors = [dense(output) for output in outputs] if isinstance(outputs, (list, tuple)) else dense(outputs)
    except (AttributeError, BufferError, TypeError, ValueError) as error:
        raise CaseCrash(_not_an_answer(answer)) from error
    return tensors, foo_seconds


def dense(output: Any) -> Any:
    """One output as a torch.Tensor, dense and on the CPU; as numpy's array where nobody has imported torch.

    Copies from devices, and computes what is lazy, quantised or sparse. Raises CaseCrash for a tensor without values of its own,
    and TypeError for what is neither a tensor nor an array.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return _array(output)
    if type(output) is torch.Tensor and output.is_cpu and output.layout is torch.strided and not output.is_quantized:
        return output
    if not isinstance(output, torch.Tensor):
        output = _from_other(output, torch)
    return _plain(output, torch)


def _plain(tensor: Any, torch: Any) -> Any:
    """A tensor of any kind, as a dense one on the CPU."""
    kind = type(tensor)
    dispatch = getattr(kind, "__torch_dispatch__", None)
    if dispatch is not getattr(torch.Tensor, "__torch_dispatch__", None) or tensor.device.type == "meta":
        text = "the engine returned a {} on device '{}', which only stands for values; return tensors that hold them"
        raise CaseCrash(text.format(kind.__name__, tensor.device) + " (torch.Tensor, as full_tensor() or dequantize() make it)")
    tensor = (tensor if kind is torch.Tensor else tensor.as_subclass(torch.Tensor)).cpu()
    tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    return tensor.dequantize() if tensor.is_quantized else tensor


def _from_other(output: Any, torch: Any) -> Any:
    """A torch.Tensor of another library's array, be it lazy; where numpy lacks its type, by way of DLPack."""
    output = output.cpu() if hasattr(output, "cpu") else output
    if isinstance(output, torch.Tensor):
        return output
    try:
        return torch.from_numpy(np.require(_array(output), requirements=("C", "W")))
    except TypeError:
        if not hasattr(output, "__dlpack__"):
            raise
    return torch.utils.dlpack.from_dlpack(output)


def _array(output: Any) -> Any:
    """Another library's array as numpy's."""
    if isinstance(output, np.ndarray):
        return output
    output = output.cpu() if hasattr(output, "cpu") else output
    if hasattr(output, "numpy"):
        return output.numpy()
    if not hasattr(output, "__array__"):
        raise TypeError("{} is no array".format(type(output).__name__))
    return np.asarray(output)


def _not_an_answer(answer: Any) -> str:
    return "the engine must return (list of tensors or one stacked tensor, foo_time in seconds), but returned " + _shape_of(
        answer
    )


def _shape_of(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) <= 8:
        inside = ", ".join(_shape_of(item) for item in value)
        return ("({})" if isinstance(value, tuple) else "[{}]").format(inside)
    return type(value).__name__
