"""What ONNX Runtime's and OpenVINO's own profilers say of a pass: (name, calls, seconds) of each kind of operator."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, DefaultDict, Dict, Iterable, Iterator, List, Tuple

Spent = Tuple[str, int, float]


class ProfiledRequest:
    """An infer request of a model compiled with PERF_COUNT, which keeps what OpenVINO reports of each query: that itself has
    the last one only."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self.set_input_tensor = self._request.set_input_tensor
        self._queries: List[List[Tuple[str, float]]] = []

    def infer(self, *arguments: Any, **options: Any) -> Any:
        """Run one query, as the request itself does."""
        results = self._request.infer(*arguments, **options)
        nodes = [node for node in self._request.get_profiling_info() if node.status == type(node.status).EXECUTED]
        names = ("{} ({})".format(node.node_type, node.exec_type) for node in nodes)
        self._queries.append([(name, node.real_time.total_seconds()) for name, node in zip(names, nodes)])
        return results

    def second_pass(self, run_once: Callable[[], None], folder: Path) -> Tuple[List[Spent], Path]:
        """Make two passes and tell of the second, as the first also sets up memory; the other value is its Chrome trace. Names
        say the implementation too, and so the precision: `Convolution (brgconv_avx512_f32)`."""
        run_once()
        self._queries = []
        run_once()
        trace = folder / "openvino.json"
        trace.write_text(json.dumps({"traceEvents": list(self._events())}), encoding="utf-8")
        return added_up(layer for layers in self._queries for layer in layers), trace

    def _events(self) -> Iterator[Dict[str, Any]]:
        """All queries' layers, one after another in the order of execution: OpenVINO says how long each took, not when it
        began."""
        now = 0.0
        for name, seconds in (layer for layers in self._queries for layer in layers):
            yield {"ph": "X", "pid": 0, "tid": 0, "name": name, "ts": now, "dur": seconds * 1e6}
            now += seconds * 1e6


def profiled_session(session: Any, path: str, folder: Path) -> Any:
    """Open an ONNX Runtime session again, now one that writes a Chrome trace into `folder`: an open one cannot be told to."""
    options = session.get_session_options()
    options.enable_profiling, options.profile_file_prefix = True, str(folder / "onnxruntime")
    try:
        return type(session)(path, options, providers=session.get_providers())
    finally:
        options.enable_profiling = False  # they are still those of `session`


def second_pass(run_once: Callable[[], None], session: Any) -> Tuple[List[Spent], Path]:
    """Make two passes through a profiled session, and tell of the second; the other value is the trace of both."""
    try:
        run_once()
        run_once()
    finally:
        trace = Path(session.end_profiling())
    return of_second_half(trace), trace


def of_second_half(trace: Path) -> List[Spent]:
    """What a trace of ONNX Runtime's says of the second half of its runs."""
    events = json.loads(trace.read_text(encoding="utf-8"))
    runs = sorted(event["ts"] for event in events if event["cat"] == "Session" and event["name"] == "model_run")
    begin = runs[len(runs) // 2] if runs else 0
    nodes = (event for event in events if event["cat"] == "Node" and event["ts"] >= begin and "op_name" in event["args"])
    return added_up((event["args"]["op_name"], event["dur"] / 1e6) for event in nodes)


def added_up(times: Iterable[Tuple[str, float]]) -> List[Spent]:
    """Return calls and seconds by name."""
    found: DefaultDict[str, List[float]] = defaultdict(list)
    for name, seconds in times:
        found[name].append(seconds)
    return [(name, len(seconds), sum(seconds)) for name, seconds in found.items()]


@contextmanager
def swapped(owner: Any, name: str, value: Any) -> Iterator[Any]:
    """Let `owner` use `value` for a while, and what it had before afterwards."""
    before = getattr(owner, name, None)
    setattr(owner, name, value)
    try:
        yield value
    finally:
        setattr(owner, name, before)
