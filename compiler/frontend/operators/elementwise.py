"""Affine operators with constants, and operators that leave values alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from ...ir.activations import Curve, Product, Quotient
from ...ir.operators import Add, FloatArray, Offset, Scale
from ..builder import BATCH_FIRST, Builder, Tensor, Value, finite
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .axis_maps import expanded
from .handler import Handler
from .one_number import function_of_one

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)
_WIDE_INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
_NO_PRODUCT = "neurons only add: replace the product, such as a gate or attention, then retrain"
_NO_GATE = (
    "neurons only add: leave out the gate (as of squeeze-and-excitation), or put a constant per channel in its place, "
    "then retrain"
)


def per_sample(array: FloatArray, tensor: Tensor, node: OnnxNode, builder: Builder) -> FloatArray:
    """``array`` as it broadcasts against one sample of ``tensor``; Refusal where samples differ or axes are added."""
    rank = len(tensor.shape)
    if array.ndim > rank:
        hint = "reshape the constant to the shape of one sample"
        raise Refusal("E012", f"a constant of shape {array.shape} does not fit a value of shape {tensor.shape}", hint)
    if array.ndim < rank:
        return array.reshape(()) if array.size == 1 else array
    fits = len(array) in (1, builder.batch)
    builder.require_batch_first(fits, node, f"has a constant for a batch of {len(array)}, {array.shape}")
    same = len(array) == 1 or bool((array == array[:1]).all())
    builder.require_batch_first(same, node, "has a constant that differs between samples")
    return array.reshape(()) if array.size == 1 else np.asarray(array[0])


def scaled(node: OnnxNode, builder: Builder, tensor: Tensor, factor: FloatArray, part: str = "") -> Tensor:
    """``tensor`` times a constant; nothing is added for a factor of one."""
    local = per_sample(factor, tensor, node, builder)
    repeated = _as_large_as(node, builder, tensor, local)
    return repeated if (local == 1).all() else builder.emit(node, Scale(local), repeated, part=part)


def shifted(node: OnnxNode, builder: Builder, tensor: Tensor, amount: FloatArray, part: str = "") -> Tensor:
    """``tensor`` plus a constant; nothing is added for an amount of zero."""
    local = per_sample(amount, tensor, node, builder)
    repeated = _as_large_as(node, builder, tensor, local)
    return repeated if (local == 0).all() else builder.emit(node, Offset(local), repeated, part=part)


def _as_large_as(node: OnnxNode, builder: Builder, tensor: Tensor, constant: FloatArray) -> Tensor:
    """``tensor`` repeated along the axes where ``constant`` is longer; refusal E012 where they do not fit."""
    try:
        shape = np.broadcast_shapes(tensor.sample, constant.shape)
    except ValueError:
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        message = f"{node.operator} has a constant of shape {constant.shape} for a value of shape {tensor.sample}"
        raise Refusal("E012", message, hint) from None
    return tensor if shape == tensor.sample else expanded(node, builder, tensor, shape)


def joined(node: OnnxNode, builder: Builder, tensors: list[Tensor]) -> Tensor:
    """Sum of branches, each repeated along the axes where another one is longer."""
    full = of_one_shape(node, builder, tensors)
    return full[0] if len(full) == 1 else builder.emit(node, Add(), *full)


def of_one_shape(node: OnnxNode, builder: Builder, tensors: list[Tensor]) -> list[Tensor]:
    """Branches, each repeated along the axes where another one is longer."""
    if len({len(tensor.shape) for tensor in tensors}) > 1:
        shapes = ", ".join(str(tensor.shape) for tensor in tensors)
        builder.require_batch_first(False, node, f"joins values of shapes {shapes}, whose batches do not meet")
    try:
        sample = np.broadcast_shapes(*(tensor.sample for tensor in tensors))
    except ValueError:
        shapes = ", ".join(str(tensor.sample) for tensor in tensors)
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"{node.operator} joins branches of different shapes {shapes}", hint) from None
    return [expanded(node, builder, tensor, sample) if tensor.sample != sample else tensor for tensor in tensors]


def _add(node: OnnxNode, builder: Builder) -> Value:
    values = builder.operands(node)
    total = joined(node, builder, [value for value in values if isinstance(value, Tensor)])
    for constant in (value for value in values if isinstance(value, Constant)):
        total = shifted(node, builder, total, finite(constant))
    return total


def _mean(node: OnnxNode, builder: Builder) -> Value:
    total = _add(node, builder)
    assert isinstance(total, Tensor)
    return scaled(node, builder, total, np.array(1 / len(node.inputs)), part="mean")


def _subtract(node: OnnxNode, builder: Builder) -> Value:
    left, right = builder.value(node, 0), builder.value(node, 1)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        negative = scaled(node, builder, right, np.array(-1.0), part="negative")
        return joined(node, builder, [left, negative])
    if isinstance(right, Constant):
        return shifted(node, builder, builder.tensor(node, 0), -finite(right))
    negative = scaled(node, builder, builder.tensor(node, 1), np.array(-1.0), part="negative")
    return shifted(node, builder, negative, builder.weights(node, 0, "the minuend"))


def _multiply(node: OnnxNode, builder: Builder) -> Value:
    left, right = builder.value(node, 0), builder.value(node, 1)
    constant = 0 if isinstance(left, Constant) else 1
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        product = function_of_one(node, builder, Product(), left, right)
        if product is not None:
            return product
        hint = _NO_PRODUCT if left.sample == right.sample else _NO_GATE
        raise Refusal("E103", "Mul multiplies two values that depend on the network's input", hint)
    factor = builder.weights(node, constant, "the factor")
    return scaled(node, builder, builder.tensor(node, 1 - constant), factor)


def _divide(node: OnnxNode, builder: Builder) -> Value:
    dividend, value = builder.value(node, 0), builder.value(node, 1)
    if isinstance(dividend, Tensor) and isinstance(value, Tensor):
        quotient = function_of_one(node, builder, Quotient(), dividend, value)
        if quotient is not None:
            return quotient
    if isinstance(dividend, Constant) and isinstance(value, Tensor):
        inverse = builder.emit(node, Curve("power", (-1.0,)), value, part="inverse")
        return scaled(node, builder, inverse, finite(dividend))
    divisor = builder.weights(node, 1, "the divisor")
    tensor = builder.tensor(node, 0)
    zeros = int(divisor.size - np.count_nonzero(divisor))
    if zeros:
        raise Refusal(
            "E111",
            f"Div divides by zero in {zeros} of {divisor.size} entries of its divisor",
            "thresholds, scales and deviations have to be positive, for instance by training their logarithm",
        )
    return scaled(node, builder, tensor, 1 / divisor)


def _triangle(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    if len(tensor.sample) < 2:
        raise Refusal("E104", f"{node.operator} of a value of shape {tensor.shape} mixes samples", BATCH_FIRST)
    (diagonal, *_) = builder.integers(node, 1, "the diagonal") or (0,)
    rows, columns = np.ogrid[: tensor.shape[-2], : tensor.shape[-1]]
    is_upper = bool(node.integer("upper", 1))
    kept = columns - rows >= diagonal if is_upper else columns - rows <= diagonal
    return scaled(node, builder, tensor, kept.astype(np.float64))


def _where(node: OnnxNode, builder: Builder) -> Value:
    """The first value times a mask plus the second times what the mask leaves out."""
    mask = builder.constant(node, 0, "the condition").array.astype(np.float64)
    tensors, constant = [], np.zeros(())
    for place, kept, part in ((1, mask, "chosen"), (2, 1 - mask, "otherwise")):
        if isinstance(builder.value(node, place), Tensor):
            tensors.append(scaled(node, builder, builder.tensor(node, place), kept, part=part))
        else:
            constant = constant + kept * builder.weights(node, place, "the other value")
    return shifted(node, builder, joined(node, builder, tensors), constant, part="constant")


def _negate(node: OnnxNode, builder: Builder) -> Value:
    return scaled(node, builder, builder.tensor(node), np.array(-1.0))


def _cast(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    if tensor.holds_integers and node.integer("to", 0) in _WIDE_INTEGERS:
        return tensor
    if node.integer("to", 0) not in _FLOATS:
        hint = "keep activations in float; quantise with Floor or Round instead of a cast to an integer type"
        raise Refusal("E102", "Cast leaves the float types", hint)
    return replace(tensor, holds_integers=False)


def _cast_like(node: OnnxNode, builder: Builder) -> Value:
    value, like = builder.operands(node)
    of_floats = not like.holds_integers if isinstance(like, Tensor) else like.array.dtype.kind == "f"
    if not of_floats:
        hint = "keep activations in float; quantise with Floor or Round instead of a cast to an integer type"
        raise Refusal("E102", "CastLike leaves the float types", hint)
    return replace(value, holds_integers=False) if isinstance(value, Tensor) else value


def _dropout(node: OnnxNode, builder: Builder) -> Value:
    training = builder.optional_constant(node, 2, "the training mode")
    if training is not None and bool(training.array.any()):
        raise Refusal(
            "E102", "Dropout is in training mode", "have the model written in evaluation mode, by model.eval() in torch"
        )
    return builder.tensor(node)


def _same(node: OnnxNode, builder: Builder) -> Value:
    return builder.tensor(node)


HANDLERS: dict[str, Handler] = {
    "Add": _add,
    "Sum": _add,
    "Mean": _mean,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Neg": _negate,
    "Trilu": _triangle,
    "Where": _where,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Dropout": _dropout,
    "Identity": _same,
}
