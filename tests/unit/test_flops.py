"""FLOP and bytes counted in an exported graph: small graphs by hand, and the models that figures are published for."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from tools.errors import CaseCrash  # noqa: E402
from tools.flops import cost, disagreement  # noqa: E402

FLOAT, INT8, UINT8 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8


def port(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name, *shape, kind=np.float32):
    return numpy_helper.from_array(np.zeros(shape, kind), name)


def saved(path, nodes, inputs, weights=(), outputs=("y",), functions=(), opset=20, **options):
    """The path of a model; `inputs` is {name: shape} of floats, or the ports themselves."""
    ports = [port(name, shape) for name, shape in inputs.items()] if isinstance(inputs, dict) else inputs
    results = [port(name, None) if isinstance(name, str) else name for name in outputs]
    graph = helper.make_graph(nodes, "g", ports, results, list(weights))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions)
    onnx.save(model, str(path / "model.onnx"), **options)
    return str(path / "model.onnx")


node = helper.make_node


@pytest.mark.parametrize(
    ("made", "inputs", "weights", "flops"),
    [
        (node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]), {"x": [1, 3, 8, 8]}, [("w", 4, 3, 3, 3)], 2 * 64 * 4 * 27),
        (node("Conv", ["x", "w"], ["y"], strides=[2, 2]), {"x": [1, 3, 9, 9]}, [("w", 4, 3, 3, 3)], 2 * 16 * 4 * 27),
        (node("Conv", ["x", "w"], ["y"], group=6), {"x": [1, 6, 8, 8]}, [("w", 6, 1, 3, 3)], 2 * 36 * 6 * 9),
        (node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]), {"x": [1, 3, 4, 4]}, [("w", 3, 5, 2, 2)], 2 * 16 * 3 * 20),
        (node("Gemm", ["x", "w", "b"], ["y"], transB=1), {"x": [1, 7]}, [("w", 5, 7), ("b", 5)], 2 * 7 * 5),
        (node("Gemm", ["x", "w"], ["y"], transA=1), {"x": [7, 1]}, [("w", 7, 5)], 2 * 7 * 5),
        (node("MatMul", ["x", "w"], ["y"]), {"x": [1, 4, 6, 7]}, [("w", 7, 5)], 2 * 4 * 6 * 7 * 5),
        (node("MatMul", ["x", "z"], ["y"]), {"x": [1, 4, 6, 7], "z": [1, 4, 7, 6]}, [], 2 * 4 * 6 * 7 * 6),
        (node("Einsum", ["x", "z"], ["y"], equation="bhid,bhjd->bhij"), {"x": [1, 2, 3, 4], "z": [1, 2, 5, 4]}, [], 2 * 120),
        (node("Einsum", ["x", "z"], ["y"], equation="bi,bi->bi"), {"x": [1, 2], "z": [1, 2]}, [], 0),
        (node("LSTM", ["x", "w", "r"], ["", "y"]), {"x": [9, 1, 3]}, [("w", 1, 16, 3), ("r", 1, 16, 4)], 2 * 9 * 16 * 7),
        (node("GRU", ["x", "w", "r"], ["", "y"]), {"x": [9, 1, 3]}, [("w", 1, 12, 3), ("r", 1, 12, 4)], 2 * 9 * 12 * 7),
        (node("Relu", ["x"], ["y"]), {"x": [1, 4]}, [], 0),
    ],
    ids=lambda value: value.op_type if hasattr(value, "op_type") else "",
)
def test_an_operator_costs_two_per_multiply_add(tmp_path, made, inputs, weights, flops):
    path = saved(tmp_path, [made], inputs, [weight(*one) for one in weights])
    found = cost(path, 1)
    assert (found.flops_per_item, found.uncounted) == (flops, ())


@pytest.mark.parametrize(
    ("shapes", "heads"),
    [
        ([[2, 3, 4, 8], [2, 3, 6, 8], [2, 3, 6, 10]], {}),
        ([[2, 4, 24], [2, 6, 24], [2, 6, 30]], {"q_num_heads": 3, "kv_num_heads": 3}),
    ],
)
def test_attention_costs_both_its_products(tmp_path, shapes, heads):
    made = node("Attention", ["q", "k", "v"], ["y"], **heads)
    path = saved(tmp_path, [made], dict(zip("qkv", shapes, strict=True)), opset=23)
    assert cost(path, 2).flops_per_item == 2 * 3 * 4 * 6 * (8 + 10)


def test_an_int8_model_counts_as_its_fp32_one_does(tmp_path):
    scale, zero = weight("s"), weight("o", kind=np.uint8)
    names = ["x", "s", "o", "w", "s", "o", "s", "o"]
    kernel, inputs = weight("w", 4, 3, 3, 3, kind=np.uint8), [port("x", [1, 3, 8, 8], UINT8)]
    path = saved(tmp_path, [node("QLinearConv", names, ["y"])], inputs, [scale, zero, kernel], [port("y", None, UINT8)])
    assert cost(path, 1).flops_per_item == 2 * 36 * 4 * 27


@pytest.mark.parametrize("dimension", ["batch", None])
def test_an_open_batch_is_set_and_an_item_costs_the_same_in_any(tmp_path, dimension):
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Concat", ["h", "h"], ["y"], axis=0)]
    path = saved(tmp_path, nodes, {"x": [dimension, 4]}, [weight("w", 4, 5)])
    one, many = cost(path, 1), cost(path, 8)
    assert (one.flops_per_item, many.flops_per_item) == (40, 40)
    assert (one.bytes_per_query, many.bytes_per_query) == (80 + 16 + 40, 80 + 8 * (16 + 40))


def test_shapes_that_are_computed_in_the_graph_are_followed(tmp_path):
    nodes = [
        node("Shape", ["x"], ["shape"], end=1),
        node("Concat", ["shape", "rest"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["flat"]),
        node("MatMul", ["flat", "w"], ["y"]),
    ]
    rest = numpy_helper.from_array(np.array([12], np.int64), "rest")
    path = saved(tmp_path, nodes, {"x": ["n", 3, 4]}, [rest, weight("w", 12, 5)])
    assert cost(path, 8).flops_per_item == 2 * 12 * 5


def test_functions_are_looked_into(tmp_path):
    body = [node("MatMul", ["a", "b"], ["c"])]
    function = helper.make_function("own", "Layer", ["a", "b"], ["c"], body, [helper.make_opsetid("", 20)])
    nodes = [node("Layer", ["x", "w"], ["h"], domain="own"), node("Layer", ["h", "w"], ["y"], domain="own")]
    path = saved(tmp_path, nodes, {"x": [1, 4]}, [weight("w", 4, 4)], functions=[function])
    assert cost(path, 1).flops_per_item == 2 * 2 * 16


def branch(*nodes):
    return helper.make_graph(list(nodes), "branch", [], [port("b", None)])


def test_what_cannot_be_counted_is_named(tmp_path):
    product, plain = branch(node("MatMul", ["x", "x"], ["b"])), branch(node("Relu", ["x"], ["b"]))
    nodes = [
        node("If", ["c"], ["1"], then_branch=product, else_branch=plain),
        node("If", ["c"], ["2"], then_branch=plain, else_branch=plain),
        node("Mystery", ["x"], ["3"], domain="own"),
        node("MatMul", ["3", "x"], ["4"]),
        node("Einsum", ["x", "x", "x"], ["5"], equation="ij,jk,kl->il"),
        node("Gelu", ["x"], ["6"], domain="com.microsoft"),
        node("GroupQueryAttention", ["x"], ["7"], domain="com.microsoft"),
        node("MatMul", ["x", "x"], ["y"]),
    ]
    found = cost(saved(tmp_path, nodes, [port("x", [4, 4]), port("c", [], TensorProto.BOOL)]), 4)
    assert found.flops_per_item == 2 * 64 / 4
    assert found.uncounted == (
        "MatMul inside If", "Mystery of own", "MatMul of unknown shape", "Einsum ij,jk,kl->il", "GroupQueryAttention",
    )  # fmt: skip


def test_a_model_of_which_nothing_can_be_counted_has_no_flops(tmp_path):
    found = cost(saved(tmp_path, [node("Mystery", ["x"], ["y"], domain="own")] * 2, {"x": [1, 4]}), 1)
    assert (found.flops_per_item, found.bytes_per_query, found.uncounted) == (None, None, ("Mystery of own (2 times)",))


def test_of_an_embedding_only_what_is_looked_up_is_moved(tmp_path):
    nodes = [node("Gather", ["table", "i"], ["e"]), node("MatMul", ["e", "w"], ["y"])]
    inputs = [port("i", ["batch", 3], TensorProto.INT64)]
    path = saved(tmp_path, nodes, inputs, [weight("table", 1000, 8), weight("w", 8, 2)])
    assert cost(path, 2).bytes_per_query == 2 * 3 * 8 * 4 + 16 * 4 + 2 * 3 * 8 + 2 * 3 * 2 * 4


@pytest.mark.parametrize(("precision", "weights"), [(None, 64), ("fp32", 64), ("bf16", 32), ("int8", 16)])
def test_weights_are_moved_in_the_precision_they_are_computed_in(tmp_path, precision, weights):
    path = saved(tmp_path, [node("MatMul", ["x", "w"], ["y"])], {"x": [1, 4]}, [weight("w", 4, 4)])
    assert cost(path, 1, precision).bytes_per_query == weights + 16 + 16


def test_weights_outside_the_file_are_not_needed(tmp_path):
    nodes = [node("MatMul", ["x", "w"], ["y"])]
    path = saved(tmp_path, nodes, {"x": [1, 64]}, [weight("w", 64, 64)], save_as_external_data=True, location="weights")
    (tmp_path / "weights").unlink()
    assert cost(path, 1).flops_per_item == 2 * 64 * 64


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(CaseCrash, match=r"model\.onnx cannot be read as ONNX"):
        cost(str(tmp_path / "model.onnx"), 1)


@pytest.mark.parametrize(("counted", "configured"), [(None, 1e9), (1e9, None), (1e9, 1e9), (1.05e9, 1e9), (0.95e9, 1e9)])
def test_figures_agree_within_five_percent_or_where_one_is_missing(counted, configured):
    assert disagreement(counted, configured) is None


def test_a_disagreement_names_both_figures():
    told = disagreement(45.9e9, 43.49e9)
    assert "43.49 GFLOP per item" in told
    assert "45.9 GFLOP (+5.5%)" in told
    assert disagreement(0.94e9, 1e9)
