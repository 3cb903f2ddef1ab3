"""Averages over windows and over the whole map."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...ir.operators import AveragePool, Operator
from ..builder import Builder, Tensor, Value
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler
from .windows import as_map, from_map, read_windows


def _average_pool(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    spatial = len(tensor.sample) - 1
    if spatial not in (1, 2):
        hint = "use one- or two-dimensional pooling on (batch, channels, ...)"
        raise Refusal("E102", f"AveragePool on a value of shape {tensor.shape}", hint)
    windows = read_windows(node, tensor.sample)
    if windows.dilation != (1, 1):
        raise Refusal("E102", f"AveragePool with dilations {windows.dilation}", "use a convolution with equal weights")
    operator = AveragePool(
        windows.kernel,
        windows.stride,
        windows.padding,
        count_padding=bool(node.integer("count_include_pad", 0)) or not any(windows.padding),
        ceil=bool(node.integer("ceil_mode", 0)),
    )
    return from_map(node, builder, builder.emit(node, operator, as_map(node, builder, tensor)), spatial)


def _global_average_pool(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    return averaged(node, builder, tensor, tuple(range(1, len(tensor.sample))), keep=True)


def averaged(node: OnnxNode, builder: Builder, tensor: Tensor, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    """Mean over ``axes`` of the sample."""
    return over_axes(node, builder, tensor, axes, keep=keep, pool=lambda size: AveragePool(size, (1, 1)))


def over_axes(
    node: OnnxNode,
    builder: Builder,
    tensor: Tensor,
    axes: tuple[int, ...],
    *,
    keep: bool,
    pool: Callable[[tuple[int, int]], Operator],
) -> Tensor:
    """Pool over ``axes`` of the sample: the other axes become channels of a map that one window covers."""
    shape = tensor.sample
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    final = tuple(1 if axis in axes else n for axis, n in enumerate(shape)) if keep else tuple(shape[a] for a in kept)
    if math.prod(shape[axis] for axis in axes) == 1:
        return builder.reshaped(node, tensor, final, part="shape")
    channels_first = builder.transposed(node, tensor, (*kept, *axes), part="channels_first")
    columns = shape[axes[-1]]
    rows = math.prod(shape[axis] for axis in axes[:-1])
    as_image = (math.prod(shape[axis] for axis in kept), rows, columns)
    image = builder.reshaped(node, channels_first, as_image, part="map")
    pooled = builder.emit(node, pool((rows, columns)), image)
    return builder.reshaped(node, pooled, final, part="shape")


HANDLERS: dict[str, Handler] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
}
