"""Operators on integers, as deployed models have them: dequantised, computed and quantised again.

What they compute is, by their definition, that operator of the standard set between DequantizeLinear and
QuantizeLinear; only the last digit of the sums before rounding may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...ir.operators import FloatArray
from ..builder import Builder, Tensor, Value
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler

_Attributes = Mapping[str, Any]


def _number(value: float, name: str) -> Constant:
    return Constant(np.asarray(value, np.float32), name)


def _real(node: OnnxNode, builder: Builder, first: int, *, axis: int = 1) -> Value:
    """Input ``first`` as real numbers; its scale and zero point are the two inputs behind it."""
    parts = [builder.value(node, first + k) for k in range(3)]
    is_single = isinstance(parts[1], Constant) and parts[1].array.size == 1
    if is_single:
        parts[1:] = [_as_scalar(part) for part in parts[1:]]
    return builder.applied(node, "DequantizeLinear", *parts, **({} if is_single else {"axis": axis}))


def _as_scalar(value: Value | None) -> Value | None:
    is_single = isinstance(value, Constant) and value.array.size == 1
    return Constant(value.array.reshape(()), value.tensor) if is_single and isinstance(value, Constant) else value


def _integers(node: OnnxNode, builder: Builder, value: Value, scale: int) -> Value:
    """``value`` on the grid of the scale at input ``scale`` and the zero point behind it."""
    parts = [_as_scalar(builder.value(node, scale + k)) for k in range(2)]
    return builder.applied(node, "QuantizeLinear", value, *parts)


def _less_zero(node: OnnxNode, builder: Builder, index: int, zero: int, axis: int) -> Value:
    """Input ``index`` less the zero point at input ``zero``, which may be left out."""
    amount = _as_scalar(builder.value(node, zero))
    shape = amount.array.shape if isinstance(amount, Constant) else ()
    ones = Constant(np.ones(shape, np.float32), node.name)
    attributes = {"axis": axis} if shape else {}
    return builder.applied(node, "DequantizeLinear", builder.value(node, index), ones, amount, **attributes)


def _bias(node: OnnxNode, builder: Builder, index: int, scales: tuple[int, ...], factor: float = 1.0) -> Value | None:
    """Integer bias at input ``index`` as real numbers: its scale is the product of those of the operands."""
    bias = builder.value(node, index)
    if bias is None:
        return None
    scale: Value = _number(factor, node.name)
    for place in scales:
        scale = builder.applied(node, "Mul", scale, _as_scalar(builder.value(node, place)))
    numbers = builder.applied(node, "Cast", bias, to=1)
    return builder.applied(node, "Mul", numbers, scale)


def _qlinear_conv(node: OnnxNode, builder: Builder) -> Value:
    weight = _real(node, builder, 3, axis=0)
    result = builder.applied(
        node, "Conv", _real(node, builder, 0), weight, _bias(node, builder, 8, (1, 4)), **node.attributes
    )
    return _integers(node, builder, result, 6)


def _qlinear_matmul(node: OnnxNode, builder: Builder) -> Value:
    result = builder.applied(node, "MatMul", _real(node, builder, 0, axis=-2), _real(node, builder, 3, axis=-1))
    return _integers(node, builder, result, 6)


def _conv_integer(node: OnnxNode, builder: Builder) -> Value:
    value, weight = _less_zero(node, builder, 0, 2, 1), _less_zero(node, builder, 1, 3, 0)
    return builder.applied(node, "Conv", value, weight, **node.attributes)


def _matmul_integer(node: OnnxNode, builder: Builder) -> Value:
    return builder.applied(node, "MatMul", _less_zero(node, builder, 0, 2, -2), _less_zero(node, builder, 1, 3, -1))


def _qgemm(node: OnnxNode, builder: Builder) -> Value:
    attributes = {name: value for name, value in node.attributes.items() if name in ("alpha", "transA", "transB")}
    matrix = _real(node, builder, 3, axis=0 if node.integer("transB", 0) else 1)
    bias = _bias(node, builder, 6, (1, 4), node.number("alpha", 1.0))
    result = builder.applied(node, "Gemm", _real(node, builder, 0), matrix, bias, **attributes)
    return _integers(node, builder, result, 7) if node.input(7) else result


def _qlinear_sum(node: OnnxNode, builder: Builder) -> Value:
    operator = node.operator.removeprefix("QLinear")
    result = builder.applied(node, operator, _real(node, builder, 0), _real(node, builder, 3))
    return _integers(node, builder, result, 6)


def _qlinear_single(node: OnnxNode, builder: Builder) -> Value:
    """An operator of one operand: the result's scale and zero point follow those of the operand."""
    operator = node.operator.removeprefix("QLinear")
    attributes = {name: value for name, value in node.attributes.items() if name not in ("channels_last", "opset")}
    value = _real(node, builder, 0)
    if node.integer("channels_last", 0) and isinstance(value, Tensor):
        rank = len(value.shape)
        value = builder.applied(node, "Transpose", value, perm=[0, rank - 1, *range(1, rank - 1)])
        value = builder.applied(node, operator, value, **attributes)
        value = builder.applied(node, "Transpose", value, perm=[0, *range(2, rank), 1])
    else:
        value = builder.applied(node, operator, value, **attributes)
    return _integers(node, builder, value, 3)


def _qlinear_concat(node: OnnxNode, builder: Builder) -> Value:
    parts = [_real(node, builder, first) for first in range(2, len(node.inputs), 3)]
    return _integers(node, builder, builder.applied(node, "Concat", *parts, **node.attributes), 0)


def _fused(node: OnnxNode, builder: Builder) -> Value:
    """Conv or Gemm, a sum in FusedConv, and an activation."""
    operator = node.operator.removeprefix("Fused")
    attributes = {name: value for name, value in node.attributes.items() if not name.startswith("activation")}
    inputs = [builder.value(node, k) for k in range(3)]
    result = builder.applied(node, operator, *inputs, **attributes)
    if node.input(3):
        result = builder.applied(node, "Add", result, builder.value(node, 3))
    return _activated(node, builder, result)


def _fused_matmul(node: OnnxNode, builder: Builder) -> Value:
    operands: list[Value | None] = []
    for k, name in enumerate(("transA", "transB")):
        value = builder.value(node, k)
        if node.integer(name, 0) and isinstance(value, Tensor | Constant):
            rank = len(value.shape) if isinstance(value, Tensor) else value.array.ndim
            value = builder.applied(node, "Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
        operands.append(value)
    if node.integer("transBatchA", 0) or node.integer("transBatchB", 0):
        raise Refusal("E102", "FusedMatMul moves the batches of its operands", "write it as Transpose and MatMul")
    product = builder.applied(node, "MatMul", *operands)
    return builder.applied(node, "Mul", product, _number(node.number("alpha", 1.0), node.name))


def _matmul_of_few_bits(node: OnnxNode, builder: Builder) -> Value:
    """MatMulNBits: columns of the matrix in blocks of 4- or 8-bit integers, each block with a scale of its own."""
    bits, block = node.integer("bits", 4), node.integer("block_size", 0)
    outputs, inputs = node.integer("N", 0), node.integer("K", 0)
    packed = builder.constant(node, 1, "the packed matrix").array
    blocks = -(-inputs // block) if block > 0 else 0
    is_whole = bits in (4, 8) and min(outputs, inputs, blocks) > 0
    if not is_whole or packed.dtype != np.uint8 or packed.size != outputs * blocks * block * bits // 8:
        message = f"MatMulNBits has a matrix of shape {packed.shape} for {inputs} inputs and {outputs} outputs"
        raise Refusal("E012", f"{message} of {bits} bits in blocks of {block}", "write it with bits 4 or 8")
    scale = _per_block(node, builder.weights(node, 2, "the scales"), (outputs, blocks))
    zero = np.full((outputs, blocks), 2.0 ** (bits - 1))
    if node.input(3):
        given = builder.constant(node, 3, "the zero points").array
        if given.dtype == np.uint8 and given.size % outputs == 0:
            given = _unpacked(given.reshape(outputs, -1), bits)[:, :blocks]
        zero = _per_block(node, given.astype(np.float64), (outputs, blocks))
    if node.input(4):
        raise Refusal("E102", "MatMulNBits has its inputs in another order", "write it without an index of groups")
    integers = _unpacked(packed.reshape(outputs, -1), bits).reshape(outputs, blocks, block)
    matrix = ((integers - zero[:, :, None]) * scale[:, :, None]).reshape(outputs, -1)[:, :inputs]
    weight = Constant(np.ascontiguousarray(matrix.T), node.input(1))
    product = builder.applied(node, "MatMul", builder.value(node, 0), weight)
    return builder.applied(node, "Add", product, builder.value(node, 5)) if node.input(5) else product


def _per_block(node: OnnxNode, numbers: FloatArray, shape: tuple[int, int]) -> FloatArray:
    if numbers.size != shape[0] * shape[1]:
        hint = "write one scale, and one zero point or none, for each block"
        raise Refusal(
            "E012", f"{node.operator} has {numbers.size} numbers for {shape[0]} times {shape[1]} blocks", hint
        )
    return numbers.reshape(shape)


def _unpacked(packed: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Integers of rows of bytes, those of four bits from the lower half of a byte on."""
    if bits == 8:
        return packed
    halves = np.stack([packed & 15, packed >> 4], axis=-1)
    return np.asarray(halves.reshape(len(packed), -1), np.uint8)


_PARAMETERS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Elu": ("alpha",)}


def _activated(node: OnnxNode, builder: Builder, value: Value) -> Value:
    activation = node.text("activation", "")
    listed = node.attributes.get("activation_params")
    numbers = [float(number) for number in listed.floats] if listed is not None else []
    numbers += [
        node.number(f"activation_{name}", 0.0) for name in ("alpha", "beta") if f"activation_{name}" in node.attributes
    ]
    if activation == "Clip":
        return builder.applied(node, "Clip", value, *(_number(number, node.name) for number in numbers[:2]))
    names = _PARAMETERS.get(activation, ())
    if activation not in ("", "Relu", "Sigmoid", "Tanh", *_PARAMETERS) or len(numbers) < len(names):
        hint = "give the model as it was before onnxruntime's optimiser fused its operators"
        raise Refusal("E102", f"{node.operator} has the activation {activation} with {numbers}", hint)
    if not activation:
        return value
    return builder.applied(node, activation, value, **dict(zip(names, numbers, strict=False)))


def _same(node: OnnxNode, builder: Builder) -> Value:
    """An operator of another domain that the standard set has under the same name."""
    inputs = [builder.value(node, k) for k in range(len(node.inputs))]
    return builder.applied(node, node.operator, *inputs, **node.attributes)


HANDLERS: dict[str, Handler] = {
    "QLinearConv": _qlinear_conv,
    "QLinearMatMul": _qlinear_matmul,
    "ConvInteger": _conv_integer,
    "MatMulInteger": _matmul_integer,
}

ONNXRUNTIME: dict[str, Handler] = {
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _same),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _qlinear_sum),
    **dict.fromkeys(("QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearReduceMean"), _qlinear_single),
    **dict.fromkeys(("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"), _qlinear_single),
    **dict.fromkeys(("FusedConv", "FusedGemm"), _fused),
    "QLinearConcat": _qlinear_concat,
    "QGemm": _qgemm,
    "FusedMatMul": _fused_matmul,
    "MatMulNBits": _matmul_of_few_bits,
}
"""Of the domain com.microsoft."""
