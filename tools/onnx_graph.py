"""An ONNX graph with every shape known that can be: functions inlined, the batch set, the weights left where they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from tools.errors import CaseCrash

Shape = Tuple[int, ...]

SHAPE_VALUES = 1024
"""A tensor of no more elements may say what shape another one takes, so its values are kept; a larger one's are not needed."""

HALF_BYTE_TYPES = ("INT4", "UINT4", "FLOAT4E2M1")


class UnknownShape(Exception):
    """A tensor's shape could not be inferred."""


@dataclass(frozen=True)
class Weight:
    """A constant of the graph: its name, type (as ONNX numbers them) and shape."""

    name: str
    data_type: int
    shape: Shape


@dataclass(frozen=True)
class Graph:
    """A graph's nodes, its constants, and the ports that every query fills and reads. `shapes` has what could be inferred."""

    nodes: Sequence[Any]
    weights: Sequence[Weight]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    shapes: Mapping[str, Shape]

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor. Raises UnknownShape."""
        if name not in self.shapes:
            raise UnknownShape(name)
        return self.shapes[name]


def load_graph(onnx_path: str, batch_size: int) -> Graph:
    """Read an ONNX file, set the open first dimension of its inputs to `batch_size` and infer all shapes.

    Neither runs it nor reads its weights, however large they are. Raises CaseCrash for a file that is no ONNX model.
    """
    import onnx  # noqa: PLC0415  (what is not counted needs no onnx)

    try:
        model = onnx.load(onnx_path, load_external_data=False)
        _keep_only_shape_values(model.graph, Path(onnx_path).parent, onnx)
        if model.functions:
            from onnx import inliner  # noqa: PLC0415  (onnx has it since 1.15)

            model = inliner.inline_local_functions(model)
        _set_batch(model.graph, batch_size)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # OSError, protobuf's DecodeError, onnx's own
        raise CaseCrash("{} cannot be read as ONNX: {}".format(onnx_path, error)) from error
    weights = list(_weights(inferred))
    constant = {weight.name for weight in weights}
    shapes = dict(_known_shapes(inferred), **{weight.name: weight.shape for weight in weights})
    inputs = [port for port in inferred.input if port.name not in constant]
    return Graph(list(inferred.node), weights, inputs, list(inferred.output), shapes)


def element_bytes(data_type: int) -> float:
    """Return how many bytes an element of one of ONNX's data types takes."""
    import onnx  # noqa: PLC0415

    if onnx.TensorProto.DataType.Name(data_type) in HALF_BYTE_TYPES:
        return 0.5
    return float(onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize)


def _keep_only_shape_values(graph: Any, folder: Path, onnx: Any) -> None:
    """Read small tensors that lie outside the file, and drop the values of large ones that lie in it."""
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data  # noqa: PLC0415

    for tensor in graph.initializer:
        small = math.prod(tensor.dims) <= SHAPE_VALUES
        if uses_external_data(tensor):
            if small and tensor.data_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32):
                load_external_data_for_tensor(tensor, str(folder))
        elif not small:
            for values in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
                tensor.ClearField(values)


def _set_batch(graph: Any, batch_size: int) -> None:
    """Set the inputs' open first dimension, and whatever else bears its name, to `batch_size`."""
    weights = {tensor.name for tensor in graph.initializer}
    firsts = [port.type.tensor_type.shape.dim[0] for port in graph.input if port.name not in weights and _rank(port)]
    names = {dimension.dim_param for dimension in firsts if dimension.dim_param}
    for port in (*graph.input, *graph.output, *graph.value_info):
        for dimension in port.type.tensor_type.shape.dim:
            if dimension.dim_param in names and dimension.dim_param:
                dimension.dim_value = batch_size
    for dimension in firsts:
        if dimension.WhichOneof("value") is None:
            dimension.dim_value = batch_size


def _rank(port: Any) -> int:
    return len(port.type.tensor_type.shape.dim) if port.type.HasField("tensor_type") else 0


def _weights(graph: Any) -> Iterator[Weight]:
    for tensor in graph.initializer:
        yield Weight(tensor.name, tensor.data_type, tuple(tensor.dims))
    for sparse in graph.sparse_initializer:
        yield Weight(sparse.values.name, sparse.values.data_type, tuple(sparse.dims))
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                yield Weight(node.output[0], attribute.t.data_type, tuple(attribute.t.dims))


def _known_shapes(graph: Any) -> Dict[str, Shape]:
    ports = (*graph.input, *graph.output, *graph.value_info)
    shapes = ((port.name, _shape(port)) for port in ports)
    return {name: shape for name, shape in shapes if shape is not None}


def _shape(port: Any) -> Optional[Shape]:
    """A port's shape; None where it is not a tensor, or one of its dimensions is open."""
    tensor = port.type.tensor_type
    if not port.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    dimensions: List[Any] = list(tensor.shape.dim)
    if any(not dimension.HasField("dim_value") for dimension in dimensions):
        return None
    return tuple(int(dimension.dim_value) for dimension in dimensions)
