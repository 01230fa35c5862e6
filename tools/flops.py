"""What one query of an exported model asks for: FLOP and bytes, counted in its ONNX graph; nothing is run."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any, Dict, List, Optional, Set, Tuple

from tools.figures import Cost
from tools.onnx_graph import Graph, UnknownShape, Weight, element_bytes, load_graph
from tools.operator_flops import Uncounted, flops_of

DISAGREEMENT = 0.05
"""By what share of the configured figure the counted one may differ before it is worth a word."""

WEIGHT_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
_FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")


def cost(onnx_path: str, batch_size: int, precision: Optional[str] = None) -> Cost:
    """Count one query of `batch_size` items: FLOP per item, and the bytes it must move at least.

    Only matrix-like operators count, as in published figures; those that could not be counted are named in `uncounted`, and then
    the figure is a lower bound. An engine that computes in `precision` holds the weights in it (None: as they are in the file).
    Raises CaseCrash for a file that is no ONNX model.
    """
    graph = load_graph(onnx_path, batch_size)
    total, uncounted = _count(graph)
    return Cost(
        flops_per_item=None if uncounted and not total else total / batch_size,
        bytes_per_query=_bytes(graph, precision),
        uncounted=tuple(uncounted),
    )


def disagreement(counted: Optional[float], configured: Optional[float]) -> Optional[str]:
    """Return a warning naming both figures where they differ by more than 5 % of the configured one; None where they agree, or
    one is not known."""
    if counted is None or not configured or abs(counted - configured) <= DISAGREEMENT * configured:
        return None
    return "the configuration's flops say {} per item, but the exported graph counts {} ({:+.1%}); correct flops".format(
        _in_words(configured), _in_words(counted), counted / configured - 1
    )


def _count(graph: Graph) -> Tuple[int, List[str]]:
    total = 0
    uncounted: Dict[str, int] = Counter()
    for node in graph.nodes:
        try:
            total += flops_of(node, graph)
        except UnknownShape:
            uncounted["{} of unknown shape".format(node.op_type)] += 1
        except Uncounted as error:
            uncounted[str(error)] += 1
    return total, [name if times == 1 else "{} ({} times)".format(name, times) for name, times in uncounted.items()]


def _bytes(graph: Graph, precision: Optional[str]) -> Optional[float]:
    """Weights once, and what goes in and comes out; None where an input's or output's shape is not known."""
    looked_up = _looked_up(graph)
    try:
        ports = sum(_port_bytes(graph, port) for port in (*graph.inputs, *graph.outputs))
    except UnknownShape:
        return None
    return ports + sum(_weight_bytes(weight, looked_up.get(weight.name), precision) for weight in graph.weights)


def _port_bytes(graph: Graph, port: Any) -> float:
    return prod(graph.shape(port.name)) * element_bytes(port.type.tensor_type.elem_type)


def _looked_up(graph: Graph) -> Dict[str, int]:
    """How many elements of a table a query reads, for constants that only Gather reads: an embedding is not read as a whole."""
    read: Dict[str, int] = Counter()
    otherwise: Set[str] = {port.name for port in graph.outputs}
    for node in graph.nodes:
        gathers = node.op_type == "Gather" and node.output[0] in graph.shapes
        if gathers:
            read[node.input[0]] += prod(graph.shapes[node.output[0]])
        otherwise.update(node.input[1 if gathers else 0 :])
    return {name: elements for name, elements in read.items() if name not in otherwise}


def _weight_bytes(weight: Weight, looked_up: Optional[int], precision: Optional[str]) -> float:
    elements = prod(weight.shape) if looked_up is None else min(looked_up, prod(weight.shape))
    width = element_bytes(weight.data_type)
    if precision in WEIGHT_BYTES and _is_float(weight):
        width = min(width, WEIGHT_BYTES[precision])
    return elements * width


def _is_float(weight: Weight) -> bool:
    import onnx  # noqa: PLC0415  (what is not counted needs no onnx)

    return onnx.TensorProto.DataType.Name(weight.data_type) in _FLOATS


def _in_words(flops: float) -> str:
    return "{:.4g} GFLOP".format(flops / 1e9)
