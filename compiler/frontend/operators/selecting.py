"""Operators that take entries of a value by constant places, in any order and as often as wanted."""

from __future__ import annotations

import math

import numpy as np

from ....runtime.program import IntArray
from ...ir.operators import Slice
from ...ir.sparse_operator import picking, sparse_linear
from ..builder import Builder, Tensor, Turned, Value, axis_of, require_size
from ..graph import WELL_FORMED, OnnxNode
from ..refusal import Refusal
from .axis_maps import mapped, require_few_synapses
from .handler import Handler

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"


def _slice(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    rank = len(tensor.shape)
    starts, ends = builder.integers(node, 1, "the starts") or (), builder.integers(node, 2, "the ends") or ()
    listed = builder.integers(node, 3, "the axes")
    axes = tuple(range(len(starts))) if listed is None else tuple(axis_of(axis, rank, node) for axis in listed)
    steps = builder.integers(node, 4, "the steps") or (1,) * len(axes)
    if not len(starts) == len(ends) == len(axes) == len(steps) or len(axes) > rank or 0 in steps:
        raise Refusal("E012", "Slice has starts, ends, axes and steps of different lengths, or steps of 0", _CHECK)
    cuts = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(start, end, step)
    return cut(node, builder, tensor, cuts)


def cut(node: OnnxNode, builder: Builder, tensor: Tensor, cuts: list[slice], part: str = "") -> Tensor:
    """Keep one slice per axis, the batch's first; steps may be negative. Refusal where nothing is left."""
    ranges = [range(*each.indices(n)) for each, n in zip(cuts, tensor.shape, strict=True)]
    if min(len(kept) for kept in ranges) == 0:
        raise Refusal("E012", f"{node.operator} keeps nothing of a value of shape {tensor.shape}", _CHECK)
    builder.require_batch_first(ranges[0] == range(tensor.shape[0]), node, "cuts the batch")
    changed = [axis for axis, n in enumerate(tensor.shape) if ranges[axis] != range(n)]
    if any(ranges[axis].step < 0 for axis in changed):
        maps = {axis - 1: picking(np.asarray(ranges[axis]), tensor.shape[axis]) for axis in changed}
        return mapped(node, builder, tensor, maps, part=part)
    if not changed:
        return tensor
    kept = ranges[1:]
    operator = Slice(tuple(r.start for r in kept), tuple(r[-1] + 1 for r in kept), tuple(r.step for r in kept))
    return builder.emit(node, operator, tensor, part=part)


def _indices(node: OnnxNode, builder: Builder, size: int) -> IntArray:
    array = builder.constant(node, 1, "the indices").array
    if array.dtype.kind not in "iu":
        raise Refusal("E005", f"{node.operator} has indices of type {array.dtype}, not integers", WELL_FORMED)
    if array.size == 0 or not ((array >= -size) & (array < size)).all():
        raise Refusal("E012", f"{node.operator} picks indices that {size} entries do not have, or none", _CHECK)
    return np.asarray(array, np.int64) % size


def _gather(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axis = axis_of(node.integer("axis", 0), len(tensor.shape), node)
    builder.require_batch_first(axis != 0, node, "picks samples from the batch")
    indices = _indices(node, builder, tensor.shape[axis])
    require_size(node, math.prod(tensor.sample) // tensor.shape[axis] * indices.size)
    part = "" if indices.ndim == 1 else "slice"
    picked = mapped(node, builder, tensor, {axis - 1: picking(indices.ravel(), tensor.shape[axis])}, part=part)
    return builder.reshaped(node, picked, (*tensor.shape[1:axis], *indices.shape, *tensor.shape[axis + 1 :]))


def _gather_elements(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axis = axis_of(node.integer("axis", 0), len(tensor.shape), node)
    builder.require_batch_first(axis != 0, node, "picks samples from the batch")
    indices = _indices(node, builder, tensor.shape[axis])
    fits = indices.ndim == len(tensor.shape) and len(indices) == tensor.shape[0]
    if not fits or any(n > tensor.shape[k] for k, n in enumerate(indices.shape) if k != axis):
        raise Refusal("E012", f"GatherElements has indices of shape {indices.shape} on {tensor.shape}", _CHECK)
    same = bool((indices == indices[:1]).all())
    builder.require_batch_first(same, node, "picks other entries from each sample")
    sample = indices[0]
    places = list(np.indices(sample.shape))
    places[axis - 1] = sample
    source = np.ravel_multi_index(tuple(places), tensor.sample).ravel()
    require_few_synapses(node, source.size)
    operator = sparse_linear(np.ones(source.size), source, np.arange(source.size), tensor.sample, sample.shape)
    return builder.emit(node, operator, tensor)


def _gather_nd(node: OnnxNode, builder: Builder) -> Value:
    """Picks by places in the first axes, none of which is the batch, or by the same places in every sample."""
    value = builder.value(node, 0)
    turned = value if isinstance(value, Turned) else Turned(builder.tensor(node), 0)
    tensor, place = turned.tensor, turned.place
    array = builder.constant(node, 1, "the indices").array
    if array.dtype.kind not in "iu" or array.ndim < 1:
        raise Refusal("E005", f"GatherND has indices of type {array.dtype} and shape {array.shape}", WELL_FORMED)
    of_samples = node.integer("batch_dims", 0)
    if of_samples == 1 and place == 0:
        builder.require_batch_first(bool((array == array[:1]).all()), node, "picks other entries from each sample")
        array = array[0]
    elif of_samples or place < array.shape[-1]:
        builder.require_batch_first(False, node, "picks samples from the batch")
    picked = _picked_places(node, builder, tensor, np.asarray(array, np.int64))
    return picked if place == 0 else Turned(picked, place - array.shape[-1] + array.ndim - 1)


def _picked_places(node: OnnxNode, builder: Builder, tensor: Tensor, indices: IntArray) -> Tensor:
    count = indices.shape[-1]
    axes, rest = tensor.sample[:count], tensor.sample[count:]
    if not 1 <= count <= len(tensor.sample) or not ((indices >= -np.array(axes)) & (indices < np.array(axes))).all():
        raise Refusal("E012", f"GatherND picks places that {tensor.sample} does not have", _CHECK)
    places = np.ravel_multi_index(tuple(np.moveaxis(indices % np.array(axes), -1, 0)), axes)
    require_size(node, places.size * math.prod(rest))
    flat = builder.reshaped(node, tensor, (math.prod(axes), *rest), part="flat")
    picked = mapped(node, builder, flat, {0: picking(places.ravel(), math.prod(axes))}, part="picked")
    return builder.reshaped(node, picked, (*places.shape, *rest))


def _tile(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    repeats = builder.integers(node, 1, "the repeats") or ()
    if len(repeats) != len(tensor.shape) or min(repeats, default=0) < 1:
        raise Refusal("E012", f"Tile repeats a value of shape {tensor.shape} by {repeats}", _CHECK)
    builder.require_batch_first(repeats[0] == 1, node, "repeats the batch")
    require_size(node, math.prod(tensor.sample) * math.prod(repeats))
    counts = {axis: count for axis, count in enumerate(repeats[1:]) if count > 1}
    maps = {
        axis: picking(np.tile(np.arange(tensor.sample[axis]), count), tensor.sample[axis])
        for axis, count in counts.items()
    }
    return mapped(node, builder, tensor, maps)


HANDLERS: dict[str, Handler] = {
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Tile": _tile,
}
