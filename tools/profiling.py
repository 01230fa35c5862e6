"""One profiled pass outside the measurement: where the time goes, by operator, and a Chrome trace of it on the disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Tuple

from tools.contract import Operator, Profile

TOP = 20
"""How many operators a profile keeps; the trace has all of them."""

VALIDATION_TRACE, INFERENCE_TRACE = "validation_trace.json", "inference_trace.json"

SEEN = 0.5
"""torch's profiler must have seen this share of an engine's pass, or what it saw says nothing about the engine."""

PASSES = 3
"""How many passes may fall short of SEEN: what another process took between two operators is no time of the engine's."""

Spent = Tuple[str, int, float]
"""What an engine's own profiler says of one kind of operator: its name, calls, seconds."""


def profile_framework(run_once: Callable[[], None], folder: Path) -> Profile:
    """Profile one call of `run_once` by torch.profiler; the trace goes to `folder`. Raises OSError where it cannot."""
    spent, _ = _by_torch(run_once, folder / VALIDATION_TRACE)
    return Profile("validation", "torch.profiler", top(spent), VALIDATION_TRACE)


def profile_engine(engine: Any, run_once: Callable[[], None], folder: Path) -> Optional[Profile]:
    """Profile one call of `run_once`, which calls `engine`, by the engine's own profiler; else by torch's, which sees engines
    that run in torch or on a device that it knows. None where neither is there. Raises OSError.

    An engine's optional `profile(run_once, folder)` calls `run_once` once or more, and returns (name, calls, seconds) of each
    kind of operator and the path of the Chrome trace that it left in `folder`, None where it makes none.
    """
    if hasattr(engine, "profile"):
        spent, trace = engine.profile(run_once, folder)
        return _own_profile(engine, spent, trace, folder)
    try:
        import torch  # noqa: F401, PLC0415  (an engine may do without)
    except ModuleNotFoundError:
        return None
    return _seen_by_torch(run_once, folder)


def top(spent: Sequence[Spent]) -> Tuple[Operator, ...]:
    """Return the operators that took longest, with their share of all operators' time."""
    total = sum(seconds for _, _, seconds in spent)
    dearest = sorted(spent, key=lambda one: one[2], reverse=True)[:TOP]
    return tuple(Operator(name, calls, seconds, seconds / total) for name, calls, seconds in dearest if seconds > 0)


def _own_profile(engine: Any, spent: Sequence[Spent], trace: Optional[Any], folder: Path) -> Profile:
    said = engine.describe() if hasattr(engine, "describe") else {}
    by = str(said.get("engine", "the engine's own profiler"))
    if trace is None:
        return Profile("inference", by, top(spent), detail="the engine's profiler makes no trace")
    Path(trace).replace(folder / INFERENCE_TRACE)
    return Profile("inference", by, top(spent), INFERENCE_TRACE)


def _seen_by_torch(run_once: Callable[[], None], folder: Path) -> Profile:
    """The first pass of which torch's profiler sees enough."""
    shares: List[float] = []
    for _ in range(PASSES):
        spent, on_device, seconds = _timed_by_torch(run_once, folder / INFERENCE_TRACE)
        shares.append(sum(one[2] for one in spent) / seconds)
        if on_device or shares[-1] >= SEEN:
            return Profile("inference", "torch.profiler", top(spent), INFERENCE_TRACE)
    (folder / INFERENCE_TRACE).unlink()
    text = "the engine has no profile(), and torch.profiler sees {:.0%} of the time it takes"
    return Profile("inference", "torch.profiler", detail=text.format(max(shares)))


def _timed_by_torch(run_once: Callable[[], None], trace: Path) -> Tuple[List[Spent], bool, float]:
    """What _by_torch returns, and the seconds of the pass, without those of the profiler's own start and end."""
    lasted: List[float] = []

    def timed() -> None:
        began = time.perf_counter()
        run_once()
        lasted.append(time.perf_counter() - began)

    spent, on_device = _by_torch(timed, trace)
    return spent, on_device, sum(lasted)


def _by_torch(run_once: Callable[[], None], trace: Path) -> Tuple[List[Spent], bool]:
    """Each operator's own time, on the device if it was used, else on the CPU; and whether it was."""
    from torch import profiler  # noqa: PLC0415  (only a profiled run needs it)

    supported: Any = profiler.supported_activities  # torch says no types
    with profiler.profile(activities=sorted(supported(), key=str)) as profiled:
        run_once()
    trace.parent.mkdir(parents=True, exist_ok=True)
    profiled.export_chrome_trace(str(trace))
    events = [event for event in profiled.key_averages() if not event.key.startswith("ProfilerStep")]
    on_device = any(_device_us(event) > 0 for event in events)
    measured = _device_us if on_device else _cpu_us
    return [(event.key, int(event.count), measured(event) / 1e6) for event in events if measured(event) > 0], on_device


def _cpu_us(event: Any) -> float:
    return float(event.self_cpu_time_total)


def _device_us(event: Any) -> float:
    """The event's own time on a device; torch before 2.4 calls every device cuda."""
    names = ("self_device_time_total", "self_cuda_time_total")
    return float(next((getattr(event, name) for name in names if hasattr(event, name)), 0.0))
