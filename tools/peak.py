"""What the chip can do, measured in this run through torch: its fastest matrix product at a precision, and a large copy."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from tools.device import is_out_of_memory, torch_sync
from tools.figures import Peak
from tools.host_load import memory_left

MEASURED = "measured"

SIZES = (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
"""Rows and columns of the square matrices: small ones fit a CPU's caches, large ones fill a GPU."""

PRODUCT_SECONDS, COPY_SECONDS = 0.15, 0.5
"""How long each product, and the copy, are repeated."""

LARGEST_SECONDS = 2.5
"""A larger size is tried only if all of a precision's products end within this: a peak takes some 4 s."""

MATRICES = 4
"""Two factors, a product, and the fp32 one that a factor of another type is made from."""

MOST_OF_MEMORY = 0.5
"""A processor's matrices and copies take at most this share of the memory that is left: near its end the kernel kills."""

CACHES_PER_COPY = 4
SMALLEST_COPY, LARGEST_COPY, DEVICE_COPY = 1 << 28, 1 << 31, 1 << 30

NATIVE_SHARE, NATIVE_SIZES = 0.5, (512,)
"""A precision at less than this share of fp32's rate is not in the chip: fp16 takes a CPU without it 100 times as long."""

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}

Clock = Callable[[], int]


@dataclass(frozen=True)
class Best:
    """The fastest of all products of one precision; `how` says which it was."""

    flops: float
    how: str


def measured_peak(config: Any, device: Any, clock: Clock = time.perf_counter_ns) -> Peak:
    """Measure FLOP/s at `config.precision` and bytes/s on `device` (a torch device or its name), with `config.threads` threads.

    The best of all repeats is taken, since whatever else runs can only slow one down. fp32 is fp32: TF32 or bf16 in its place
    are off meanwhile. Bytes are those read and those written. A figure that cannot be had, for whatever torch raises, is None,
    and `detail` says why.
    """
    import torch  # noqa: PLC0415  (an engine without torch has no measured peak)

    place = torch.device(device)
    with _threads(config.threads, torch), _true_fp32(torch), torch.inference_mode():
        best, how = _peak(config.precision, place, clock)
        bandwidth, copied = _bandwidth(place, clock)
        threads = "{} threads; ".format(torch.get_num_threads()) if place.type == "cpu" else ""
    return Peak(config.precision, best.flops if best else None, bandwidth, MEASURED, "{}{}; {}".format(threads, how, copied))


def fastest_seconds(run: Callable[[], Any], seconds: float, clock: Clock = time.perf_counter_ns) -> float:
    """Return the seconds of the fastest call, one that is not the first, which sets things up; calls are made for `seconds`."""
    run()
    torch_sync()
    began = clock()
    times: List[int] = []
    while not times or clock() - began < seconds * 1e9:
        start = clock()
        run()
        torch_sync()
        times.append(clock() - start)
    return max(min(times), 1) / 1e9


def last_level_cache_bytes(folder: Path = Path("/sys/devices/system/cpu")) -> int:
    """Return the sum of all last-level caches of this machine's processors; 0 where Linux does not tell."""
    sizes: Dict[str, int] = {}
    for cpu in folder.glob("cpu[0-9]*/cache"):
        last = max(cpu.glob("index[0-9]*"), key=lambda index: index.name, default=cpu)
        with contextlib.suppress(OSError, ValueError):
            size = int((last / "size").read_text(encoding="ascii").strip().rstrip("K")) << 10
            sizes[(last / "shared_cpu_list").read_text(encoding="ascii")] = size
    return sum(sizes.values())


def _peak(precision: str, place: Any, clock: Clock) -> Tuple[Optional[Best], str]:
    """The fastest product and how it came about, or None and why there is none."""
    asked = precision
    try:
        best = _best_product(precision, SIZES, place, clock)
        if precision == "fp32":
            return best, best.how
        asked = "fp32"
        fp32 = _best_product("fp32", NATIVE_SIZES, place, clock)
    except (RuntimeError, AttributeError) as error:  # a product that this torch does not have, or not on this device
        return None, "torch cannot multiply {} matrices on {}: {}".format(asked, place.type, _first_line(error))
    if best.flops < NATIVE_SHARE * fp32.flops:
        text = "no peak, as {} is not native here: its products make {:.3g} GFLOP/s, those in fp32 {:.3g}"
        return None, text.format(precision, best.flops / 1e9, fp32.flops / 1e9)
    return best, best.how


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]


def _room(place: Any) -> float:
    """The bytes that may be asked for. A device refuses what it does not have, and that is heard."""
    left = memory_left() if place.type == "cpu" else None
    return float("inf") if left is None else MOST_OF_MEMORY * left


def _best_product(precision: str, sizes: Sequence[int], place: Any, clock: Clock) -> Best:
    """Raises RuntimeError where torch has no such product, or there is no memory for one."""
    best, deadline = Best(0.0, ""), clock() + LARGEST_SECONDS * 1e9
    for size in sizes:
        if MATRICES * size**2 * 4 > _room(place):
            break
        try:
            times = [fastest_seconds(product, PRODUCT_SECONDS, clock) for product in _products(precision, size, place)]
        except RuntimeError as error:
            if not best.flops or not is_out_of_memory(error):
                raise
            break  # the model has the rest of the memory
        rate = 2 * size**3 / min(times)
        if rate > best.flops:
            best = Best(rate, "{} product of {} x {} matrices".format(precision, size, size))
        if clock() + 8 * sum(times) * 1e9 > deadline:  # of twice the size
            break
    if not best.flops:
        raise RuntimeError("no memory is left for them")
    return best


def _products(precision: str, size: int, place: Any) -> List[Callable[[], Any]]:
    """Two ways to multiply: the second matrix as it is, and transposed, as layers' weights are. Which is faster differs."""
    import torch  # noqa: PLC0415

    if precision == "int8":
        left, right = (torch.randint(-8, 8, (size, size), dtype=torch.int8, device=place) for _ in range(2))
        out, multiply = torch.empty(size, size, dtype=torch.int32, device=place), torch._int_mm
    else:
        dtype = getattr(torch, DTYPES[precision])
        left, right = (torch.rand(size, size, device=place).to(dtype) for _ in range(2))
        out, multiply = torch.empty_like(left), torch.mm
    return [lambda: multiply(left, right, out=out), lambda: multiply(left, right.t(), out=out)]


def _bandwidth(place: Any, clock: Clock) -> Tuple[Optional[float], str]:
    """Bytes per second of a copy too large for any cache, and how it was made."""
    import torch  # noqa: PLC0415

    size = DEVICE_COPY
    if place.type == "cpu":
        size = min(max(SMALLEST_COPY, CACHES_PER_COPY * last_level_cache_bytes()), LARGEST_COPY)
    if 2 * size > _room(place):
        return None, _no_memory(size)
    try:
        source = torch.ones(size, dtype=torch.uint8, device=place)
        target = torch.zeros_like(source)
        seconds = fastest_seconds(lambda: target.copy_(source), COPY_SECONDS, clock)
    except (RuntimeError, AttributeError) as error:
        return None, _no_memory(size) if is_out_of_memory(error) else "torch cannot copy: " + _first_line(error)
    return 2 * size / seconds, "copy of {} MiB, bytes read and written both counted".format(size >> 20)


def _no_memory(size: int) -> str:
    return "no memory is left for a copy of {} MiB".format(size >> 20)


@contextlib.contextmanager
def _threads(wanted: Optional[int], torch: Any) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _true_fp32(torch: Any) -> Iterator[None]:
    """Let fp32 products be fp32, whatever the run has allowed instead: by torch 2.9's switches, or the one of older ones."""
    matmuls = (getattr(getattr(torch.backends, name), "matmul", None) for name in ("mkldnn", "cuda"))
    new: List[Any] = [switch for switch in matmuls if hasattr(switch, "fp32_precision")]
    before = [switch.fp32_precision for switch in new]
    general = None if new else torch.get_float32_matmul_precision()
    try:
        for switch in new:
            switch.fp32_precision = "ieee"
        if not new:
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        for switch, precision in zip(new, before):
            switch.fp32_precision = precision
        if general is not None:
            torch.set_float32_matmul_precision(general)
