"""Operators that clip and round: one bound or two, in whichever operator they are written."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from ...ir.operators import Clip, FloatArray, Floor, Offset, Operator, Relu, Round, Scale
from ..builder import Builder, Tensor, Value, finite
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .elementwise import per_sample
from .handler import Handler
from .maxima import largest_of, smallest_of

_NO_BOUND = 1e12
"""From here on a bound per channel leaves a double less than four digits of a value near one."""

_NEGATIVE = Scale(np.array(-1.0))


def _clip(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    bounds = (_bound(node, builder, 1, "min", -math.inf), _bound(node, builder, 2, "max", math.inf))
    return _clipped(node, builder, tensor, *bounds)


def _bound(node: OnnxNode, builder: Builder, index: int, name: str, default: float) -> float:
    if name in node.attributes:
        return node.number(name, default)
    constant = builder.optional_constant(node, index, f"the bound {name}")
    if constant is None:
        return default
    array = _bounds(constant)
    if array.size != 1:
        raise Refusal(
            "E102",
            f"{node.operator} has a bound of shape {array.shape} instead of a single number",
            "write bounds per channel with Min and Max",
        )
    return float(array.ravel()[0])


def _bounds(constant: Constant) -> FloatArray:
    """Bounds as floats, which may be infinite; Refusal where they are no real numbers."""
    if constant.array.dtype.kind not in "fiu" or np.isnan(constant.array).any():
        return finite(constant)
    return np.asarray(constant.array, dtype=np.float64)


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
    tensors = list(dict.fromkeys(value for value in values if isinstance(value, Tensor)))
    if any(isinstance(value, Constant) and value.array.size == 0 for value in values):
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"{node.operator} has a constant without any entry", hint)
    part = "of_values" if len(tensors) < len(values) else ""
    pick = largest_of if node.operator == "Max" else smallest_of
    tensor = pick(node, builder, tensors, part=part)
    constants = [per_sample(_bounds(v), tensor, node, builder) for v in values if isinstance(v, Constant)]
    if not constants:
        return tensor
    try:
        bound = reduce(np.maximum if node.operator == "Max" else np.minimum, constants)
    except ValueError:
        shapes = " and ".join(str(constant.shape) for constant in constants)
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"{node.operator} has constants of shapes {shapes}", hint) from None
    if bound.size == 1 or (bound == bound.flat[0]).all():
        single = float(bound.flat[0])
        limits = (single, math.inf) if node.operator == "Max" else (-math.inf, single)
        return _clipped(node, builder, tensor, *limits)
    return _clipped_per_channel(node, builder, tensor, bound)


def _clipped_per_channel(node: OnnxNode, builder: Builder, tensor: Tensor, bound: FloatArray) -> Tensor:
    """max(x, c) = relu(x - c) + c and min(x, c) = c - relu(c - x), which holds x to the digits that c has."""
    is_none = np.abs(bound) >= _NO_BOUND
    if is_none.all() and (node.operator == "Min") == bool((bound > 0).all()):
        return tensor
    if is_none.any():
        hint = "give every channel a bound, or none"
        raise Refusal("E102", f"{node.operator} has a bound for some entries only", hint)
    mirrored = {"negative": _NEGATIVE} if node.operator == "Min" else {}
    steps: dict[str, Operator] = {"below": Offset(-bound), **mirrored, "relu": Relu()}
    steps |= {**({"positive": _NEGATIVE} if mirrored else {}), "bound": Offset(bound)}
    for part, operator in steps.items():
        tensor = builder.emit(node, operator, tensor, part=part)
    return tensor


def _ceil(node: OnnxNode, builder: Builder) -> Value:
    """ceil(x) = -floor(-x)."""
    negative = builder.emit(node, _NEGATIVE, builder.tensor(node), part="negative")
    return builder.emit(node, _NEGATIVE, builder.emit(node, Floor(), negative, part="floor"))


HANDLERS: dict[str, Handler] = {
    "Clip": _clip,
    "Min": _extreme,
    "Max": _extreme,
    "Relu": lambda node, builder: builder.emit(node, Relu(), builder.tensor(node)),
    "Floor": lambda node, builder: builder.emit(node, Floor(), builder.tensor(node)),
    "Ceil": _ceil,
    "Round": lambda node, builder: builder.emit(node, Round(), builder.tensor(node)),
}
