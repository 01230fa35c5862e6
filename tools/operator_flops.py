"""FLOP of one ONNX node, by the formulas that published figures use: two per multiply-add of matrix-like operators, else none."""

from __future__ import annotations

import re
from math import prod
from typing import Any, Callable, Dict, List

from tools.onnx_graph import Graph, Shape

MICROSOFT = "com.microsoft"
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", MICROSOFT)
"""The operator sets whose element-wise operators are known to be just that."""

MATRIX_LIKE = re.compile("Conv|MatMul|Gemm|Attention|LSTM|GRU|RNN|DFT|STFT|MoE|Einsum|LinearClassifier|LinearRegressor|SVM")
"""In the name of an operator that costs as a matrix product does."""

Formula = Callable[[Any, Graph], int]


def flops_of(node: Any, graph: Graph) -> int:
    """Return the FLOP of one node, 0 for one that does not count. Raises UnknownShape where a shape that it takes is not known,
    and Uncounted for a node that costs, but has no formula here."""
    formula = _FORMULAS.get((node.domain if node.domain != "ai.onnx" else "") + ":" + node.op_type)
    if formula is not None:
        return formula(node, graph)
    if node.domain not in DOMAINS:
        raise Uncounted("{} of {}".format(node.op_type, node.domain))
    if MATRIX_LIKE.search(node.op_type):
        raise Uncounted(node.op_type)
    inside = sorted({name for part in _subgraphs(node) for name in _costly(part)})
    if inside:
        raise Uncounted("{} inside {}".format(", ".join(inside), node.op_type))
    return 0


class Uncounted(Exception):
    """A node has a cost that no formula here gives."""


def _convolution(weight: int) -> Formula:
    """Each output element takes one multiply-add per weight of its channel; `weight` is the input with these [M, C/g, k…]."""

    def flops(node: Any, graph: Graph) -> int:
        return 2 * prod(graph.shape(node.output[0])) * prod(graph.shape(node.input[weight])[1:])

    return flops


def _transposed_convolution(node: Any, graph: Graph) -> int:
    """Each input element takes one multiply-add per weight of its channel [C, M/g, k…]."""
    return 2 * prod(graph.shape(node.input[0])) * prod(graph.shape(node.input[1])[1:])


def _product(node: Any, graph: Graph) -> int:
    """Batched or not: each output element is a sum over the last dimension of the first factor."""
    return 2 * prod(graph.shape(node.output[0])) * graph.shape(node.input[0])[-1]


def _fused_product(node: Any, graph: Graph) -> int:
    inner = graph.shape(node.input[0])[-2 if _attribute(node, "transA", 0) else -1]
    return 2 * prod(graph.shape(node.output[0])) * inner


def _gemm(node: Any, graph: Graph) -> int:
    rows_inner = prod(graph.shape(node.input[0]))
    return 2 * rows_inner * graph.shape(node.input[1])[0 if _attribute(node, "transB", 0) else 1]


def _packed_product(node: Any, graph: Graph) -> int:
    """MatMulNBits, whose weights are packed: `N` says how many columns they are."""
    return 2 * prod(graph.shape(node.input[0])) * int(_attribute(node, "N", 0))


def _recurrent(node: Any, graph: Graph) -> int:
    """RNN, GRU, LSTM: input [steps, batch, I] (or batch first), W and R [directions, gates x H, I or H], all used every step."""
    steps, batch = graph.shape(node.input[0])[:2]
    return 2 * steps * batch * (prod(graph.shape(node.input[1])) + prod(graph.shape(node.input[2])))


def _attention(node: Any, graph: Graph) -> int:
    """ONNX's Attention: Q, K, V [batch, heads, length, size], or [batch, length, heads x size] with the heads as attributes.

    Two products, Q with K and what that gives with V; causal ones count whole, as published figures do.
    """
    query, key, value = (_heads_apart(node, graph.shape(node.input[place]), place) for place in range(3))
    batch, heads, length, size = query
    keys = key[2] + (graph.shape(node.input[4])[2] if len(node.input) > 4 and node.input[4] else 0)
    return 2 * batch * heads * length * keys * (size + value[3])


def _heads_apart(node: Any, shape: Shape, place: int) -> Shape:
    if len(shape) == 4:
        return shape
    heads = int(_attribute(node, "kv_num_heads" if place else "q_num_heads", 1))
    return shape[0], heads, shape[1], shape[2] // heads


def _multi_head_attention(node: Any, graph: Graph) -> int:
    """Microsoft's MultiHeadAttention with query [batch, length, D], key and value [batch, keys, D or Dv]; packed ones raise."""
    if len(node.input) > 6 and node.input[6]:
        raise Uncounted("MultiHeadAttention with a past")
    query, key, value = (graph.shape(name) for name in node.input[:3])
    if not len(query) == len(key) == len(value) == 3:
        raise Uncounted("MultiHeadAttention with packed inputs")
    return 2 * query[0] * query[1] * key[1] * (query[2] + value[2])


def _einsum(node: Any, graph: Graph) -> int:
    """Two factors without an ellipsis: a multiply-add for each combination of all indices, if one of them is summed over."""
    equation = _attribute(node, "equation", b"").decode("ascii").replace(" ", "")
    left, _, right = equation.partition("->")
    terms: List[str] = left.split(",")
    if len(terms) != 2 or "." in equation or "->" not in equation:
        raise Uncounted("Einsum {}".format(equation))
    sizes: Dict[str, int] = {}
    for term, name in zip(terms, node.input):
        sizes.update(zip(term, graph.shape(name)))
    summed = set(terms[0]) & set(terms[1]) - set(right)
    return 2 * prod(sizes.values()) if summed else 0


def _attribute(node: Any, name: str, default: Any) -> Any:
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    if found is None:
        return default
    return found.i if isinstance(default, int) else found.s


def _subgraphs(node: Any) -> List[Any]:
    """The graphs that If, Loop, Scan and their like hold."""
    alone = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return alone + [graph for attribute in node.attribute for graph in attribute.graphs]


def _costly(graph: Any) -> List[str]:
    found = [node.op_type for node in graph.node if MATRIX_LIKE.search(node.op_type) or node.domain not in DOMAINS]
    return found + [name for node in graph.node for part in _subgraphs(node) for name in _costly(part)]


_FORMULAS: Dict[str, Formula] = {
    ":Conv": _convolution(1),
    ":ConvInteger": _convolution(1),
    ":QLinearConv": _convolution(3),
    ":DeformConv": _convolution(1),
    ":ConvTranspose": _transposed_convolution,
    ":Gemm": _gemm,
    ":MatMul": _product,
    ":MatMulInteger": _product,
    ":QLinearMatMul": _product,
    ":Einsum": _einsum,
    ":Attention": _attention,
    ":RNN": _recurrent,
    ":GRU": _recurrent,
    ":LSTM": _recurrent,
    MICROSOFT + ":FusedConv": _convolution(1),
    MICROSOFT + ":FusedMatMul": _fused_product,
    MICROSOFT + ":MatMulNBits": _packed_product,
    MICROSOFT + ":MultiHeadAttention": _multi_head_attention,
}
