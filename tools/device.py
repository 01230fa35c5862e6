"""What torch's device modules have in common, whichever vendor's is there; never imports torch itself."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, Callable, List, Optional

DEVICE_MODULES = ("cuda", "xpu", "npu", "musa", "mlu", "gcu", "sdaa", "supa", "hpu")
"""The names under which torch's own and the vendors' plug-ins put themselves into torch."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "failed to allocate", "alloc_failed", "bad_alloc")


def accelerator() -> Optional[str]:
    """What torch calls the accelerator that it can use here (`cuda`, `xpu`, `npu` …); None where there is none, or no torch.

    Plug-ins older than `torch.accelerator` (2.6) are found by the names they are known to take.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    known = vars(torch).get("accelerator")
    if known is not None and known.is_available():
        return str(known.current_accelerator().type)
    return next((name for name in DEVICE_MODULES if _is_available(vars(torch).get(name))), None)


def torch_device(vendor: str) -> str:
    """What torch calls the place where a vendor's case computes: the accelerator; the CPU for vendor cpu, or without one."""
    return (None if vendor == "cpu" else accelerator()) or "cpu"


def device_name() -> Optional[str]:
    """The name of torch's current accelerator (`NVIDIA H200`), its kind where the plug-in tells no name; None without one."""
    kind = accelerator()
    if kind is None:
        return None
    module: Any = vars(sys.modules["torch"]).get(kind)
    return str(module.get_device_name()) if hasattr(module, "get_device_name") else kind


def torch_sync(config: Any = None) -> None:
    """Wait until every device that torch uses has finished; at once on the CPU, or where torch was never imported.

    `config` is part of FlagPerf's signature; what is initialised says more than the vendor's name.
    """
    del config
    for wait in device_waits():
        wait()


def device_waits() -> List[Callable[[], Any]]:
    """What waits for each device that torch uses in this process, one call each; none on the CPU."""
    waits: List[Callable[[], Any]] = []
    for module in initialised_devices():
        count = module.device_count()
        if count == 1:  # some plug-ins take no index
            waits.append(module.synchronize)
        else:
            waits += [partial(module.synchronize, index) for index in range(count) if _has_context(module, index)]
    return waits


def _has_context(module: Any, index: int) -> bool:
    """Whether a device was ever used; where nobody tells it may have been. To wait for a CUDA device that was not would make a
    context on it, which takes a second and hundreds of MB of another one's memory."""
    torch: Any = sys.modules["torch"]
    tell = getattr(getattr(torch, "_C", None), "_cuda_hasPrimaryContext", None)
    return tell is None or module is not vars(torch).get("cuda") or bool(tell(index))


def initialised_devices() -> List[Any]:
    """The device modules of torch (`torch.cuda` and its like) in use in this process, one of a new name among them."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    names = vars(torch)
    plugged_in = getattr(names.get("_C"), "_get_privateuse1_backend_name", str)()
    modules = (names[name] for name in dict.fromkeys((*DEVICE_MODULES, plugged_in)) if name in names)
    return [module for module in modules if hasattr(module, "is_initialized") and module.is_initialized()]


def reset_device_peak() -> None:
    """Start a new measurement of torch's peak memory on every device in use."""
    for module in initialised_devices():
        for index in range(module.device_count()):
            if hasattr(module, "reset_peak_memory_stats"):
                module.reset_peak_memory_stats(index)


def device_peak_bytes() -> Optional[int]:
    """Peak of torch's own memory since the reset, summed over devices; None where none is in use. Engines with an allocator
    of their own are not in it: the vendor's monitor sees those."""
    peaks = [
        int(module.max_memory_allocated(index))
        for module in initialised_devices()
        if hasattr(module, "max_memory_allocated")
        for index in range(module.device_count())
    ]
    return sum(peaks) if peaks else None


def is_out_of_memory(error: Optional[BaseException]) -> bool:
    """Whether an error, or one it came from, says that host or device memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_available(module: Any) -> bool:
    return hasattr(module, "is_available") and bool(module.is_available())
