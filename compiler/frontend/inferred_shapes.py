"""Shapes that onnx's own inference, or the file, gives to values behind a node that the reader refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import onnx
import onnx.helper
import onnx.shape_inference

from ..ir.operators import Shape
from .light_model import without_large_tensors

_LONGEST_VECTOR = 100_000
"""Entries. Where onnx propagates data, it takes every vector for a shape, and makes an object for each entry."""


def inferred_shapes(model: onnx.ModelProto, inputs: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes, batch axis first, of all values of the outer graph of which every size is known.

    ``inputs`` are the shapes that the graph's inputs have. Nothing is inferred where onnx cannot: the result then has
    what the file itself states.
    """
    light, _ = without_large_tensors(model)
    for value in light.graph.input:
        if value.name in inputs:
            kind = value.type.tensor_type.elem_type
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, kind, inputs[value.name]))
    _forget_negative_sizes(light.graph)
    # Where inference fails, what the file states about its values is still worth having.
    with contextlib.suppress(onnx.shape_inference.InferenceError, RuntimeError, ValueError, TypeError):
        unsliced = onnx.shape_inference.infer_shapes(_without_slices(light))
        if _has_negative_size(unsliced.graph):
            return _known_shapes(unsliced.graph)
        light = _without_slices(light, of_slices=True)
        plain = onnx.shape_inference.infer_shapes(light)
        light = plain if _has_long_vector(plain) else onnx.shape_inference.infer_shapes(light, data_prop=True)
    return _known_shapes(light.graph)


def _known_shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    shapes = {value.name: _shape(value) for value in (*graph.value_info, *graph.output)}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _forget_negative_sizes(graph: onnx.GraphProto) -> None:
    # onnx ends the process where a slice by inputs meets one.
    for value in (*graph.input, *graph.value_info, *graph.output):
        for size in value.type.tensor_type.shape.dim if value.type.HasField("tensor_type") else ():
            if size.dim_value < 0:
                size.ClearField("dim_value")


def _without_slices(model: onnx.ModelProto, *, of_slices: bool = False) -> onnx.ModelProto:
    """Without any Slice, or without those behind another one, of whose sizes nothing is known before it is inferred."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    sliced: set[str] = set()
    for node in model.graph.node:
        follows = not sliced.isdisjoint(node.input)
        if follows or node.op_type == "Slice":
            sliced.update(node.output)
        if node.op_type != "Slice" or (of_slices and not follows):
            result.graph.node.append(node)
    return result


def _has_negative_size(graph: onnx.GraphProto) -> bool:
    # A window larger than its map gives one.
    values = (*graph.value_info, *graph.output)
    return any(size.dim_value < 0 for value in values for size in value.type.tensor_type.shape.dim)


def _has_long_vector(model: onnx.ModelProto) -> bool:
    graph = model.graph
    shapes = (_shape(value) for value in (*graph.input, *graph.value_info, *graph.output))
    return any(shape is not None and len(shape) == 1 and shape[0] > _LONGEST_VECTOR for shape in shapes)


def _shape(value: onnx.ValueInfoProto) -> Shape | None:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    sizes = tuple(int(d.dim_value) if d.HasField("dim_value") else 0 for d in tensor.shape.dim)
    return sizes if min(sizes, default=0) >= 1 else None
