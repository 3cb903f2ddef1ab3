"""A model without the contents of its large weights: what onnx's native tools need, and no more memory than that."""

from __future__ import annotations

import math

import onnx
import onnx.helper

_READ_WHOLE = 1024
"""Entries; small tensors may be shapes, axes or scales, whose contents decide, and of others the shape is enough."""


def without_large_tensors(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[onnx.TensorProto, ...]]:
    """Return ``model`` with its large initialisers turned to inputs of their type and shape, and these initialisers.

    Local functions and metadata are left out.
    """
    large = tuple(tensor for tensor in model.graph.initializer if not _is_small(tensor))
    names = {tensor.name for tensor in large}
    declared = {value.name for value in model.graph.input}
    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.graph.name = model.graph.name or "graph"
    for part in ("node", "input", "output", "value_info"):
        getattr(light.graph, part).extend(getattr(model.graph, part))
    light.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name not in names)
    light.graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in large
        if tensor.name not in declared
    )
    return light, large


def _is_small(tensor: onnx.TensorProto) -> bool:
    return math.prod(tensor.dims) <= _READ_WHOLE and tensor.data_location != onnx.TensorProto.EXTERNAL
