"""Quantised activations that exporters write as a pair of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.helper

from ...ir.operators import Clip, FloatArray, Offset, Operator, Round, Scale
from ..builder import Builder, Tensor, Value, axis_of
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler


def _along_axis(values: FloatArray, tensor: Tensor, node: OnnxNode) -> FloatArray:
    if values.size == 1:
        return values.reshape(())
    if node.integer("block_size", 0):
        hint = "quantise activations with one scale per layer or per channel"
        raise Refusal("E102", f"{node.operator} quantises a value that depends on the input in blocks", hint)
    axis = axis_of(node.integer("axis", 1), len(tensor.shape), node)
    if values.ndim != 1 or axis == 0 or values.size != tensor.shape[axis]:
        hint = "use one scale per layer or per channel"
        raise Refusal("E012", f"{node.operator} has scales of shape {values.shape} on {tensor.shape}", hint)
    return values.reshape(-1, *(1,) * (len(tensor.shape) - 1 - axis))


def _scale_and_zero(node: OnnxNode, builder: Builder, tensor: Tensor) -> tuple[FloatArray, FloatArray]:
    scale = _along_axis(builder.weights(node, 1, "the scale"), tensor, node)
    if (scale <= 0).any():
        hint = "keep scales positive in training, for instance by training their logarithm"
        raise Refusal("E111", f"{node.operator} has a scale that is not positive", hint)
    zero = builder.weights(node, 2, "the zero point") if node.input(2) else np.zeros(())
    return scale, _along_axis(zero, tensor, node)


def _emit_all(node: OnnxNode, builder: Builder, tensor: Tensor, steps: dict[str, Operator]) -> Tensor:
    for part, operator in steps.items():
        if isinstance(operator, Offset) and not operator.amount.any():
            continue
        tensor = builder.emit(node, operator, tensor, part=part)
    return tensor


def _quantize(node: OnnxNode, builder: Builder) -> Value:
    """clip(round(x / scale) + zero point, bounds of the integer type)."""
    tensor = builder.tensor(node)
    scale, zero = _scale_and_zero(node, builder, tensor)
    low, high = _range_of(node, builder)
    steps: dict[str, Operator] = {
        "scale": Scale(1 / scale),
        "round": Round(),
        "zero_point": Offset(zero),
        "clip": Clip(low, high),
    }
    return _emit_all(node, builder, tensor, steps)


def _range_of(node: OnnxNode, builder: Builder) -> tuple[float, float]:
    """Smallest and largest integer of the type that a QuantizeLinear gives."""
    declared = node.integer("output_dtype", 0) or onnx.TensorProto.UINT8
    dtype = onnx.helper.tensor_dtype_to_np_dtype(declared)
    if node.input(2):
        dtype = builder.constant(node, 2, "the zero point").array.dtype
    bits = _BITS.get(dtype.name)
    if bits is None:
        hint = "quantise activations to integers of 2 to 16 bits"
        raise Refusal("E102", f"QuantizeLinear to {dtype} is not read", hint)
    return (0.0, 2.0**bits - 1) if dtype.name.startswith("u") else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)


_BITS = {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (2, 4, 8, 16)}


def _dequantize(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    scale, zero = _scale_and_zero(node, builder, tensor)
    return _emit_all(node, builder, tensor, {"zero_point": Offset(-zero), "scale": Scale(scale)})


HANDLERS: dict[str, Handler] = {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize}
