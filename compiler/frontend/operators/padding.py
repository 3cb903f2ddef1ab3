"""Pad: with zeros as an operator of its own, with anything else as synapses or constants behind it."""

from __future__ import annotations

import math

import numpy as np

from ....runtime.program import IntArray
from ...ir.operators import Pad, Scale, Shape
from ...ir.sparse_operator import picking
from ..builder import Builder, Tensor, Value, axis_of, require_size
from ..graph import OnnxNode
from ..refusal import Refusal
from .axis_maps import mapped
from .elementwise import shifted
from .handler import Handler
from .selecting import cut

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"


def _pad(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    rank = len(tensor.shape)
    mode = node.text("mode", "constant")
    amounts = builder.integers(node, 1, "the pads") or ()
    listed = builder.integers(node, 3, "the axes")
    axes = tuple(range(rank)) if listed is None else tuple(axis_of(axis, rank, node) for axis in listed)
    if len(amounts) != 2 * len(axes):
        raise Refusal("E012", f"Pad has {len(amounts)} pads for {len(axes)} axes", _CHECK)
    before, after = [0] * rank, [0] * rank
    for k, axis in enumerate(axes):
        before[axis], after[axis] = amounts[k], amounts[len(axes) + k]
    builder.require_batch_first(before[0] == after[0] == 0, node, "pads the batch")
    pads = tuple(before[1:]), tuple(after[1:])
    if mode != "constant":
        return _repeating(node, builder, tensor, *pads, mode)
    has_value = builder.optional_constant(node, 2, "the value") is not None
    value = builder.weights(node, 2, "the value") if has_value else np.zeros(1)
    if value.size != 1:
        raise Refusal("E012", f"Pad has a value of shape {value.shape}, not one number", _CHECK)
    surrounded = padded(node, builder, tensor, *pads)
    if not value.any():
        return surrounded
    outside = 1 - Pad(*pads).evaluate((np.ones((1, *tensor.sample)),))[0]
    return shifted(node, builder, surrounded, outside * value.ravel()[0], part="value")


def _repeating(node: OnnxNode, builder: Builder, tensor: Tensor, before: Shape, after: Shape, mode: str) -> Tensor:
    kept = [range(max(0, -b), n + min(0, a)) for n, b, a in zip(tensor.sample, before, after, strict=True)]
    if not all(kept):
        raise Refusal("E012", f"Pad leaves nothing of a value of shape {tensor.shape} to repeat", _CHECK)
    sizes = [len(k) + max(0, b) + max(0, a) for k, b, a in zip(kept, before, after, strict=True)]
    require_size(node, math.prod(sizes))
    maps = {}
    for axis, inside in enumerate(kept):
        places = np.arange(-max(0, before[axis]), len(inside) + max(0, after[axis]))
        indices = _folded(node, places, len(inside), mode) + inside.start
        maps[axis] = picking(indices, tensor.sample[axis])
    return mapped(node, builder, tensor, maps)


def _folded(node: OnnxNode, places: IntArray, size: int, mode: str) -> IntArray:
    """Where each of ``places``, which may lie outside, is found on an axis of ``size`` entries."""
    match mode:
        case "edge":
            return np.clip(places, 0, size - 1)
        case "wrap":
            return places % size
        case "reflect":
            period = max(1, 2 * (size - 1))
            return np.minimum(places % period, -places % period)
        case _:
            hint = "pad with a constant, or by reflect, edge or wrap"
            raise Refusal("E102", f"spikec does not compile Pad with mode {mode}", hint)


def padded(node: OnnxNode, builder: Builder, tensor: Tensor, before: Shape, after: Shape, part: str = "") -> Tensor:
    """Cut off what negative pads remove, then surround with zeros: nothing larger than the result ever exists."""
    kept = [range(max(0, -b), n + min(0, a)) for n, b, a in zip(tensor.sample, before, after, strict=True)]
    sizes = [n + b + a for n, b, a in zip(tensor.sample, before, after, strict=True)]
    largest = math.prod(n + max(0, b) + max(0, a) for n, b, a in zip(tensor.sample, before, after, strict=True))
    require_size(node, largest, "makes, before it cuts any off,")
    if min(sizes) < 1:
        raise Refusal("E012", f"{node.operator} leaves nothing of a value of shape {tensor.shape}", _CHECK)
    if all(len(inside) for inside in kept):
        rest = cut(node, builder, tensor, [slice(None), *(slice(r.start, r.stop) for r in kept)], _part(part, "cut"))
        pads = tuple(max(0, b) for b in before), tuple(max(0, a) for a in after)
    else:
        # All that is left is padding: one entry times zero, grown to the result's size.
        rest = cut(node, builder, tensor, [slice(None), *(slice(0, 1) for _ in kept)], _part(part, "cut"))
        rest = builder.emit(node, Scale(np.zeros(())), rest, part=_part(part, "nothing"))
        pads = (0,) * len(sizes), tuple(n - 1 for n in sizes)
    return builder.emit(node, Pad(*pads), rest, part=part) if any(map(any, pads)) else rest


def _part(part: str, step: str) -> str:
    return f"{part}.{step}" if part else step


HANDLERS: dict[str, Handler] = {"Pad": _pad}
