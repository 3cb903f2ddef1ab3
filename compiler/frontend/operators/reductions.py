"""Sums and means along axes, and sums that run along one."""

from __future__ import annotations

import math

import numpy as np

from ...ir.sparse_operator import AxisMap
from ..builder import Builder, Tensor, Value, axis_of
from ..graph import OnnxNode
from .axis_maps import mapped, require_few_synapses
from .elementwise import scaled
from .handler import Handler
from .pooling import averaged


def reduced_axes(node: OnnxNode, builder: Builder, tensor: Tensor) -> tuple[int, ...]:
    """Axes of the sample that are reduced; none where the node says that it leaves its input alone."""
    rank = len(tensor.shape)
    axes = node.integers("axes") or builder.integers(node, 1, "the axes")
    if not axes and node.integer("noop_with_empty_axes", 0):
        return ()
    reduced = {axis_of(axis, rank, node) for axis in axes} if axes else set(range(rank))
    what = {"ReduceMean": "averages over", "ReduceSum": "sums"}.get(node.operator, "compares the samples of")
    builder.require_batch_first(0 not in reduced, node, f"{what} the batch")
    return tuple(sorted(axis - 1 for axis in reduced))


def _reduce_mean(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = reduced_axes(node, builder, tensor)
    return averaged(node, builder, tensor, axes, keep=bool(node.integer("keepdims", 1))) if axes else tensor


def _reduce_sum(node: OnnxNode, builder: Builder) -> Value:
    """A mean times the number of its terms, so that a sum of a map is a pool like any other."""
    tensor = builder.tensor(node)
    axes = reduced_axes(node, builder, tensor)
    if not axes:
        return tensor
    mean = averaged(node, builder, tensor, axes, keep=bool(node.integer("keepdims", 1)))
    count = math.prod(tensor.sample[axis] for axis in axes)
    return scaled(node, builder, mean, np.array(float(count)), part="sum")


def _cumulative_sum(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    listed = builder.integers(node, 1, "the axis") or (0,)
    axis = axis_of(listed[0], len(tensor.shape), node)
    builder.require_batch_first(axis != 0, node, "sums along the batch")
    size = tensor.shape[axis]
    require_few_synapses(node, math.prod(tensor.sample) * (size + 1) // 2)
    later, earlier = np.tril_indices(size, -1 if node.integer("exclusive", 0) else 0)
    if node.integer("reverse", 0):
        later, earlier = size - 1 - later, size - 1 - earlier
    return mapped(node, builder, tensor, {axis - 1: AxisMap(np.ones(len(later)), earlier, later, size, size)})


HANDLERS: dict[str, Handler] = {
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "CumSum": _cumulative_sum,
}
