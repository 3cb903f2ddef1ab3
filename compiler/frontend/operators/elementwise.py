"""Affine and clipping operators with constants, and operators that leave values alone."""

from __future__ import annotations

import math

import numpy as np
import onnx

from ...ir.operators import Add, Clip, FloatArray, Floor, Offset, Operator, Relu, Round, Scale
from ..builder import Builder, Tensor, Value, finite
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from ..unsupported import hint_for
from .handler import Handler

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)


def per_sample(array: FloatArray, tensor: Tensor, node: OnnxNode, builder: Builder) -> FloatArray:
    """``array`` as it broadcasts against one sample of ``tensor``; Refusal where samples differ or axes are added."""
    if array.size == 1:
        return array.reshape(())
    rank = len(tensor.shape)
    while array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    if array.ndim > rank:
        hint = "reshape the constant to the shape of one sample"
        raise Refusal("E012", f"a constant of shape {array.shape} does not fit a value of shape {tensor.shape}", hint)
    if array.ndim < rank:
        return array
    builder.require_batch_first(
        array.shape[0] == 1 or bool((array == array[:1]).all()), node, "has a constant that differs between samples"
    )
    return np.asarray(array[0])


def scaled(node: OnnxNode, builder: Builder, tensor: Tensor, factor: FloatArray, part: str = "") -> Tensor:
    """``tensor`` times a constant; nothing is added for a factor of one."""
    local = per_sample(factor, tensor, node, builder)
    return tensor if (local == 1).all() else builder.emit(node, Scale(local), tensor, part=part)


def shifted(node: OnnxNode, builder: Builder, tensor: Tensor, amount: FloatArray, part: str = "") -> Tensor:
    """``tensor`` plus a constant; nothing is added for an amount of zero."""
    local = per_sample(amount, tensor, node, builder)
    return tensor if (local == 0).all() else builder.emit(node, Offset(local), tensor, part=part)


def joined(node: OnnxNode, builder: Builder, tensors: list[Tensor]) -> Tensor:
    """Sum of branches of one shape."""
    if len({tensor.shape for tensor in tensors}) > 1:
        shapes = ", ".join(str(tensor.sample) for tensor in tensors)
        raise _unequal(node, tensors, shapes)
    return tensors[0] if len(tensors) == 1 else builder.emit(node, Add(), *tensors)


def _unequal(node: OnnxNode, tensors: list[Tensor], shapes: str) -> Refusal:
    try:
        np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    except ValueError:
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        return Refusal("E012", f"{node.operator} joins branches of different shapes {shapes}", hint)
    hint = "bring the smaller branch to the full shape by a layer with weights, then retrain"
    return Refusal("E102", f"{node.operator} repeats a branch along an axis: shapes {shapes}", hint)


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
    constant = 0 if isinstance(builder.value(node, 0), Constant) else 1
    if isinstance(builder.value(node, constant), Tensor):
        raise Refusal(
            "E103",
            "Mul multiplies two values that depend on the network's input",
            "neurons only add: replace the product, such as a gate, a swish or attention, then retrain",
        )
    factor = builder.weights(node, constant, "the factor")
    return scaled(node, builder, builder.tensor(node, 1 - constant), factor)


def _divide(node: OnnxNode, builder: Builder) -> Value:
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


def _negate(node: OnnxNode, builder: Builder) -> Value:
    return scaled(node, builder, builder.tensor(node), np.array(-1.0))


def _clip(node: OnnxNode, builder: Builder) -> Value:
    bounds = (_bound(node, builder, 1, "min", -math.inf), _bound(node, builder, 2, "max", math.inf))
    return _clipped(node, builder, builder.tensor(node), *bounds)


def _bound(node: OnnxNode, builder: Builder, index: int, name: str, default: float) -> float:
    if name in node.attributes:
        return node.number(name, default)
    constant = builder.optional_constant(node, index, f"the bound {name}")
    return default if constant is None else _single_bound(constant, node)


def _single_bound(constant: Constant, node: OnnxNode) -> float:
    array = np.asarray(constant.array, dtype=np.float64)
    if np.isnan(array).any():
        finite(constant)
    if array.size == 0 or (array != array.ravel()[0]).any():
        raise Refusal(
            "E102",
            f"{node.operator} has a bound of shape {array.shape} instead of a single number",
            "use one bound per layer; put factors per channel into the weights before it",
        )
    return float(array.ravel()[0])


def _clipped(node: OnnxNode, builder: Builder, tensor: Tensor, low: float, high: float) -> Tensor:
    if low > high:
        hint = "set min below max; a trained threshold may have become negative"
        raise Refusal("E111", f"{node.operator} clips to an empty range from {low:g} to {high:g}", hint)
    # Exporters write the largest float of the type for a bound that is left out.
    low = -math.inf if low <= np.finfo(np.float32).min else low
    high = math.inf if high >= np.finfo(np.float32).max else high
    if low == -math.inf and high == math.inf:
        return tensor
    operator: Operator = Relu() if (low, high) == (0.0, math.inf) else Clip(low, high)
    return builder.emit(node, operator, tensor)


def _extreme(node: OnnxNode, builder: Builder) -> Value:
    values = builder.operands(node)
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) != 1:
        hint = "integrate-and-fire neurons only add: replace it by a sum or a concatenation, then retrain"
        raise Refusal("E103", f"{node.operator} compares values that depend on the network's input", hint)
    bounds = [_single_bound(value, node) for value in values if isinstance(value, Constant)]
    if node.operator == "Max":
        return _clipped(node, builder, tensors[0], max(bounds, default=-math.inf), math.inf)
    return _clipped(node, builder, tensors[0], -math.inf, min(bounds, default=math.inf))


def _cast(node: OnnxNode, builder: Builder) -> Value:
    if node.integer("to", 0) not in _FLOATS:
        hint = "keep activations in float; quantise with Floor or Round instead of a cast to an integer type"
        raise Refusal("E102", "Cast leaves the float types", hint)
    return builder.tensor(node)


def _cast_like(node: OnnxNode, builder: Builder) -> Value:
    return builder.operands(node)[0]


def _dropout(node: OnnxNode, builder: Builder) -> Value:
    training = builder.optional_constant(node, 2, "the training mode")
    if training is not None and bool(training.array.any()):
        raise Refusal(
            "E102", "Dropout is in training mode", "have the model written in evaluation mode, by model.eval() in torch"
        )
    return builder.tensor(node)


def _same(node: OnnxNode, builder: Builder) -> Value:
    return builder.tensor(node)


def _softmax(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    if not set(node.outputs) <= builder.tail:
        hint = hint_for(node, is_readable=builder.can_be_result(node.input(0)))
        raise Refusal("E101", f"spikec does not compile {node.operator}, except as the end of a network", hint)
    builder.dropped_softmax.append(node.name)
    return tensor


HANDLERS: dict[str, Handler] = {
    "Add": _add,
    "Sum": _add,
    "Mean": _mean,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Neg": _negate,
    "Clip": _clip,
    "Min": _extreme,
    "Max": _extreme,
    "Relu": lambda node, builder: builder.emit(node, Relu(), builder.tensor(node)),
    "Floor": lambda node, builder: builder.emit(node, Floor(), builder.tensor(node)),
    "Round": lambda node, builder: builder.emit(node, Round(), builder.tensor(node)),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Dropout": _dropout,
    "Identity": _same,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
