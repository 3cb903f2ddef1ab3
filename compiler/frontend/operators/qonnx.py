"""Quantisers of QONNX, Brevitas and FINN: of weights, which are computed while reading, and of activations."""

from __future__ import annotations

from functools import reduce

import numpy as np

from ...ir.operators import Add, AveragePool, Clip, Offset, Pad, Relu, Reshape, Scale, Slice, Transpose
from ..builder import Builder, Tensor, Value
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler

_WELL_FORMED = "the program that wrote the file has to write it as the QONNX standard says"

_Step = tuple[str, Value] | tuple[str]


def _applied(node: OnnxNode, builder: Builder, value: Value | None, *steps: _Step) -> Value:
    """Operators of the standard set one after the other, each with a second operand or none."""
    result = reduce(lambda each, step: builder.applied(node, step[0], each, *step[1:]), steps, value)
    assert result is not None, "a required input"
    return result


def _number(value: float) -> Constant:
    return Constant(np.asarray(value, np.float32), "")


def _single(node: OnnxNode, builder: Builder, index: int, what: str) -> float:
    array = builder.weights(node, index, what)
    if array.size != 1:
        raise Refusal("E102", f"{node.operator} has {what} of shape {array.shape}", "give all channels the same bits")
    return float(array.ravel()[0])


def _operand(node: OnnxNode, builder: Builder, index: int, what: str) -> Constant:
    builder.weights(node, index, what)
    return builder.constant(node, index, what)


def _scale(node: OnnxNode, builder: Builder) -> Constant:
    if not (builder.weights(node, 1, "the scale") > 0).all():
        hint = "keep scales positive in training, for instance by training their logarithm"
        raise Refusal("E111", f"{node.operator} has a scale that is not positive", hint)
    return builder.constant(node, 1, "the scale")


def _bounds(node: OnnxNode, bits: float) -> tuple[float, float]:
    """Smallest and largest integer of ``bits`` bits; ``narrow`` leaves one end out."""
    if not 1 <= bits <= 64:
        raise Refusal("E005", f"{node.operator} has {bits:g} bits", _WELL_FORMED)
    is_narrow = bool(node.integer("narrow", 0))
    if node.integer("signed", 1):
        return -(2.0 ** (bits - 1)) + is_narrow, 2.0 ** (bits - 1) - 1
    return 0.0, 2.0**bits - 1 - is_narrow


def _quant(node: OnnxNode, builder: Builder) -> Value:
    """(clip(round(x / scale + zero point), bounds) - zero point) * scale."""
    scale, zero = _scale(node, builder), _operand(node, builder, 2, "the zero point")
    bits = _single(node, builder, 3, "bits")
    if bits == 1 and node.integer("signed", 1):
        return _bipolar(node, builder)
    value = _applied(node, builder, builder.value(node, 0), ("Div", scale), ("Add", zero))
    rounded = _clipped_rounding(node, builder, value, *_bounds(node, bits))
    return _applied(node, builder, rounded, ("Sub", zero), ("Mul", scale))


def _clipped_rounding(node: OnnxNode, builder: Builder, value: Value, low: float, high: float) -> Value:
    mode = node.text("rounding_mode", "ROUND").upper()
    half = _number(0.5)
    roundings: dict[str, tuple[_Step, ...]] = {
        "ROUND": (("Round",),),
        "HALF_EVEN": (("Round",),),
        "FLOOR": (("Floor",),),
        "CEIL": (("Ceil",),),
        "HALF_UP": (("Add", half), ("Floor",)),
        "HALF_DOWN": (("Sub", half), ("Ceil",)),
    }
    if mode in ("ROUND_TO_ZERO", "DOWN"):
        return _towards_zero(node, builder, value, low, high)
    if mode not in roundings:
        hint = "round to the nearest, down, up or towards zero, and retrain"
        raise Refusal("E102", f"{node.operator} has the rounding mode {mode}", hint)
    rounded = _applied(node, builder, value, *roundings[mode])
    return builder.applied(node, "Clip", rounded, _number(low), _number(high))


def _towards_zero(node: OnnxNode, builder: Builder, value: Value, low: float, high: float) -> Value:
    """Down above zero, and up below it: floor(clip(x, 0, high)) - floor(clip(-x, 0, -low))."""
    above = builder.applied(node, "Floor", value)
    above = builder.applied(node, "Clip", above, _number(max(0.0, low)), _number(high))
    if low >= 0:
        return above
    below = _applied(node, builder, value, ("Neg",), ("Floor",))
    below = builder.applied(node, "Clip", below, _number(0.0), _number(-low))
    return builder.applied(node, "Sub", above, below)


def _bipolar_quant(node: OnnxNode, builder: Builder) -> Value:
    return _bipolar(node, builder)


def _bipolar(node: OnnxNode, builder: Builder) -> Value:
    """Scale where x >= 0 and -scale elsewhere: 2 clip(floor(x) + 1, 0, 1) - 1, times the scale."""
    one = _number(1.0)
    step = _applied(node, builder, builder.value(node, 0), ("Floor",), ("Add", one))
    step = builder.applied(node, "Clip", step, _number(0.0), one)
    return _applied(node, builder, step, ("Mul", _number(2.0)), ("Sub", one), ("Mul", _scale(node, builder)))


def _trunc(node: OnnxNode, builder: Builder) -> Value:
    """The upper bits of an integer: floor(round(x / scale + zero point) / 2^bits), on the grid of the input.

    Rounding half a step up before the floor is rounding to integers first. What is cut was in range, so bounds of the
    result are those of its bits.
    """
    scale, zero = _scale(node, builder), _operand(node, builder, 2, "the zero point")
    before, after = _single(node, builder, 3, "bits before"), _single(node, builder, 4, "bits after")
    if node.text("rounding_mode", "FLOOR").upper() != "FLOOR" or len(node.inputs) != 5 or after > before:
        hint = "truncate by FLOOR to fewer bits, as version 1 of the operator has it"
        raise Refusal("E102", f"Trunc from {before:g} to {after:g} bits in another form is not read", hint)
    low, high = (
        (0.0, 2.0**after - 1)
        if _is_never_negative(builder, builder.value(node, 0))
        else (
            -(2.0 ** (after - 1)),
            2.0 ** (after - 1) - 1,
        )
    )
    steps = _applied(
        node,
        builder,
        builder.value(node, 0),
        ("Div", scale),
        ("Add", zero),
        ("Add", _number(0.5)),
        ("Mul", _number(2.0 ** (after - before))),
        ("Floor",),
    )
    steps = builder.applied(node, "Clip", steps, _number(low), _number(high))
    return _applied(node, builder, steps, ("Sub", zero), ("Mul", scale))


def _is_never_negative(builder: Builder, value: Value | None) -> bool:
    """Whether nothing but averages and layout lies between ``value`` and activations from 0 up."""
    if not isinstance(value, Tensor):
        return isinstance(value, Constant) and not (value.array < 0).any()
    nodes = {node.name: node for node in builder.nodes}
    pending = [value.value]
    while pending:
        node = nodes.get(pending.pop())
        match None if node is None else node.operator:
            case Relu():
                continue
            case Clip(low=low) if low >= 0:
                continue
            case Scale(factor=constant) | Offset(amount=constant) if not (constant < 0).all():
                pass
            case AveragePool() | Pad() | Slice() | Reshape() | Transpose() | Add():
                pass
            case _:
                return False
        assert node is not None
        pending += node.inputs
    return True


def _multi_threshold(node: OnnxNode, builder: Builder) -> Value:
    """How many thresholds each entry reaches, times a scale plus an offset: floor((x - first) / step) + 1 of them."""
    value = builder.value(node, 0)
    rank = len(value.shape) if isinstance(value, Tensor) else 2
    thresholds = builder.weights(node, 1, "the thresholds")
    if thresholds.ndim != 2 or thresholds.size == 0:
        raise Refusal("E005", f"MultiThreshold has thresholds of shape {thresholds.shape}", _WELL_FORMED)
    first, steps = thresholds[:, :1], np.diff(thresholds, axis=1)
    count = thresholds.shape[1]
    step = (thresholds[:, -1:] - first) / (count - 1) if count > 1 else np.ones_like(first)
    if not (step > 0).all() or (np.abs(steps - step) > _EVEN * step).any():
        row = int(np.argmax(np.abs(steps - step).max(axis=1) / np.maximum(step[:, 0], 1e-300)))
        shown = f"{steps[row].min():g} to {steps[row].max():g}"
        raise Refusal(
            "E106",
            f"MultiThreshold has steps from {shown} between the thresholds of channel {row}",
            "train with a uniform quantiser, whose thresholds are evenly spaced",
        )
    is_last = node.text("data_layout", "NCHW").upper().endswith("C")
    tail = (1,) * (0 if is_last else rank - 2)
    offsets, widths = (Constant(each.reshape(-1, *tail).astype(np.float32), node.input(1)) for each in (first, step))
    reached = _applied(node, builder, value, ("Sub", offsets), ("Div", widths), ("Floor",), ("Add", _number(1.0)))
    reached = builder.applied(node, "Clip", reached, _number(0.0), _number(float(count)))
    scale, offset = _number(node.number("out_scale", 1.0)), _number(node.number("out_bias", 0.0))
    return _applied(node, builder, reached, ("Mul", scale), ("Add", offset))


_EVEN = 1e-4
"""Of a step: what single floats of thresholds may differ by."""

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("Quant", "IntQuant"), _quant),
    "BipolarQuant": _bipolar_quant,
    "Trunc": _trunc,
    "MultiThreshold": _multi_threshold,
}
