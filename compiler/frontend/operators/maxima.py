"""Maxima: over windows, over whole axes, and of several values entry by entry."""

from __future__ import annotations

import numpy as np

from ...ir.maxima import Maximum, MaxPool
from ...ir.operators import Scale
from ..builder import Builder, Tensor, Value
from ..graph import OnnxNode
from ..refusal import Refusal
from .elementwise import of_one_shape
from .handler import Handler
from .pooling import over_axes
from .reductions import reduced_axes
from .windows import as_map, from_map, read_windows

_NEGATIVE = Scale(np.array(-1.0))


def largest_of(node: OnnxNode, builder: Builder, tensors: list[Tensor], part: str = "") -> Tensor:
    """Largest of several values, entry by entry, each repeated along the axes where another one is longer."""
    if len(tensors) == 1:
        return tensors[0]
    return builder.emit(node, Maximum(), *of_one_shape(node, builder, tensors), part=part)


def smallest_of(node: OnnxNode, builder: Builder, tensors: list[Tensor], part: str = "") -> Tensor:
    """min(a, b) = -max(-a, -b)."""
    if len(tensors) == 1:
        return tensors[0]
    negative = [builder.emit(node, _NEGATIVE, tensor, part=f"negative{k}") for k, tensor in enumerate(tensors)]
    largest = largest_of(node, builder, negative, part="largest")
    return builder.emit(node, _NEGATIVE, largest, part=part)


def _max_pool(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    spatial = len(tensor.sample) - 1
    if spatial not in (1, 2):
        hint = "use one- or two-dimensional pooling on (batch, channels, ...)"
        raise Refusal("E102", f"MaxPool on a value of shape {tensor.shape}", hint)
    windows = read_windows(node, tensor.sample)
    ceil = bool(node.integer("ceil_mode", 0))
    operator = MaxPool(windows.kernel, windows.stride, windows.padding, windows.dilation, ceil)
    image = as_map(node, builder, tensor)
    pooled = builder.emit(node, operator, image)
    if not operator.covers_map((image.sample[1], image.sample[2])):
        hint = "make padding smaller than the window, so that every window covers an entry of the map"
        raise Refusal("E114", "MaxPool has a window that covers padding alone", hint)
    return from_map(node, builder, pooled, spatial)


def _global_max_pool(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = tuple(range(1, len(tensor.sample)))
    return over_axes(node, builder, tensor, axes, keep=True, pool=lambda size: MaxPool(size, (1, 1)))


def _reduce_max(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = reduced_axes(node, builder, tensor)
    if not axes:
        return tensor
    keep = bool(node.integer("keepdims", 1))
    return over_axes(node, builder, tensor, axes, keep=keep, pool=lambda size: MaxPool(size, (1, 1)))


def _reduce_min(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = reduced_axes(node, builder, tensor)
    if not axes:
        return tensor
    negative = builder.emit(node, _NEGATIVE, tensor, part="negative")
    keep = bool(node.integer("keepdims", 1))
    largest = over_axes(node, builder, negative, axes, keep=keep, pool=lambda size: MaxPool(size, (1, 1)))
    return builder.emit(node, _NEGATIVE, largest, part="smallest")


HANDLERS: dict[str, Handler] = {
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max_pool,
    "ReduceMax": _reduce_max,
    "ReduceMin": _reduce_min,
}
