"""Quantised activations that exporters write as a pair of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

import numpy as np

from ...ir.operators import Clip, FloatArray, Offset, Operator, Round, Scale
from ..builder import Builder, Tensor, Value, axis_of
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler


def _along_axis(values: FloatArray, tensor: Tensor, node: OnnxNode) -> FloatArray:
    if values.size == 1:
        return values.reshape(())
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
    dtype = builder.constant(node, 2, "the zero point").array.dtype if node.input(2) else np.dtype(np.uint8)
    if dtype not in (np.uint8, np.int8, np.uint16, np.int16):
        hint = "quantise activations to 8 or 16 bit integers"
        raise Refusal("E102", f"QuantizeLinear to {dtype} is not read", hint)
    bounds = np.iinfo(dtype)
    steps: dict[str, Operator] = {
        "scale": Scale(1 / scale),
        "round": Round(),
        "zero_point": Offset(zero),
        "clip": Clip(float(bounds.min), float(bounds.max)),
    }
    return _emit_all(node, builder, tensor, steps)


def _dequantize(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    scale, zero = _scale_and_zero(node, builder, tensor)
    return _emit_all(node, builder, tensor, {"zero_point": Offset(-zero), "scale": Scale(scale)})


HANDLERS: dict[str, Handler] = {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize}
