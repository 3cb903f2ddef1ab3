"""Operators that pad, cut out and join parts of values."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ...ir.operators import Pad, Scale, Shape, Slice
from ..builder import LARGEST_VALUE, Builder, Tensor, Value, axis_of, finite
from ..constants import Constant
from ..graph import WELL_FORMED, OnnxNode
from ..refusal import Refusal
from .elementwise import joined, per_sample, shifted
from .handler import Handler

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"


def _pad(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    rank = len(tensor.shape)
    mode = node.text("mode", "constant")
    value = builder.optional_constant(node, 2, "the value")
    if mode != "constant" or (value is not None and value.array.any()):
        what = f"mode {mode}" if mode != "constant" else "a value other than zero"
        raise Refusal("E102", f"spikec does not compile Pad with {what}", "pad with zeros and retrain")
    amounts = builder.integers(node, 1, "the pads") or ()
    listed = builder.integers(node, 3, "the axes")
    axes = tuple(range(rank)) if listed is None else tuple(axis_of(axis, rank, node) for axis in listed)
    if len(amounts) != 2 * len(axes):
        raise Refusal("E012", f"Pad has {len(amounts)} pads for {len(axes)} axes", _CHECK)
    before, after = [0] * rank, [0] * rank
    for k, axis in enumerate(axes):
        before[axis], after[axis] = amounts[k], amounts[len(axes) + k]
    builder.require_batch_first(before[0] == after[0] == 0, node, "pads the batch")
    return _padded(node, builder, tensor, tuple(before[1:]), tuple(after[1:]))


def _padded(node: OnnxNode, builder: Builder, tensor: Tensor, before: Shape, after: Shape, part: str = "") -> Tensor:
    """Cut off what negative pads remove, then surround with zeros: nothing larger than the result ever exists."""
    kept = [range(max(0, -b), n + min(0, a)) for n, b, a in zip(tensor.sample, before, after, strict=True)]
    sizes = [n + b + a for n, b, a in zip(tensor.sample, before, after, strict=True)]
    largest = math.prod(n + max(0, b) + max(0, a) for n, b, a in zip(tensor.sample, before, after, strict=True))
    if largest > LARGEST_VALUE:
        raise Refusal("E012", f"{node.operator} gives {largest} values per sample before it cuts any off", _CHECK)
    if min(sizes) < 1:
        raise Refusal("E012", f"{node.operator} leaves nothing of a value of shape {tensor.shape}", _CHECK)
    if all(len(rest) for rest in kept):
        cut = _cut(node, builder, tensor, [slice(None), *(slice(r.start, r.stop) for r in kept)], _part(part, "cut"))
        pads = tuple(max(0, b) for b in before), tuple(max(0, a) for a in after)
    else:
        # All that is left is padding: one entry times zero, grown to the result's size.
        cut = _cut(node, builder, tensor, [slice(None), *(slice(0, 1) for _ in kept)], _part(part, "cut"))
        cut = builder.emit(node, Scale(np.zeros(())), cut, part=_part(part, "nothing"))
        pads = (0,) * len(sizes), tuple(n - 1 for n in sizes)
    return builder.emit(node, Pad(*pads), cut, part=part) if any(map(any, pads)) else cut


def _part(part: str, step: str) -> str:
    return f"{part}.{step}" if part else step


def _slice(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    rank = len(tensor.shape)
    starts, ends = builder.integers(node, 1, "the starts") or (), builder.integers(node, 2, "the ends") or ()
    listed = builder.integers(node, 3, "the axes")
    axes = tuple(range(len(starts))) if listed is None else tuple(axis_of(axis, rank, node) for axis in listed)
    steps = builder.integers(node, 4, "the steps") or (1,) * len(axes)
    if not len(starts) == len(ends) == len(axes) == len(steps) or len(axes) > rank:
        raise Refusal("E012", "Slice has starts, ends, axes and steps of different lengths", _CHECK)
    if min(steps, default=1) < 1:
        raise Refusal("E102", f"Slice with steps {steps} runs backwards", "use positive steps and retrain")
    cuts = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(start, end, step)
    return _cut(node, builder, tensor, cuts)


def _cut(node: OnnxNode, builder: Builder, tensor: Tensor, cuts: list[slice], part: str = "") -> Tensor:
    ranges = [range(*cut.indices(n)) for cut, n in zip(cuts, tensor.shape, strict=True)]
    if min(len(kept) for kept in ranges) == 0:
        raise Refusal("E012", f"{node.operator} keeps nothing of a value of shape {tensor.shape}", _CHECK)
    builder.require_batch_first(len(ranges[0]) == tensor.shape[0], node, "cuts the batch")
    if all(len(kept) == n for kept, n in zip(ranges, tensor.shape, strict=True)):
        return tensor
    kept = ranges[1:]
    operator = Slice(tuple(r.start for r in kept), tuple(r[-1] + 1 for r in kept), tuple(r.step for r in kept))
    return builder.emit(node, operator, tensor, part=part)


def _gather(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axis = axis_of(node.integer("axis", 0), len(tensor.shape), node)
    size = tensor.shape[axis]
    array = builder.constant(node, 1, "the indices").array
    if array.dtype.kind not in "iu":
        raise Refusal("E005", f"Gather has indices of type {array.dtype}, not integers", WELL_FORMED)
    indices = [int(i) % size if -size <= int(i) < size else -1 for i in array.ravel()[: size + 1]]
    steps = {b - a for a, b in itertools.pairwise(indices)}
    builder.require_batch_first(axis != 0, node, "picks samples from the batch")
    if not indices or -1 in indices or array.ndim > 1 or len(steps) > 1 or min(steps, default=1) < 1:
        hint = "pick evenly spaced entries in rising order, or use a 1x1 convolution"
        raise Refusal("E102", f"Gather picks indices that are not a slice of {size} entries", hint)
    cuts = [slice(None)] * len(tensor.shape)
    cuts[axis] = slice(indices[0], indices[-1] + 1, min(steps, default=1))
    cut = _cut(node, builder, tensor, cuts, part="" if array.ndim else "slice")
    if array.ndim:
        return cut
    return builder.reshaped(node, cut, tuple(n for k, n in enumerate(cut.shape) if k not in (0, axis)))


def _split(node: OnnxNode, builder: Builder) -> tuple[Value, ...]:
    tensor = builder.tensor(node)
    axis = axis_of(node.integer("axis", 0), len(tensor.shape), node)
    count, size = len(node.outputs), tensor.shape[axis]
    chunk = -(-size // max(1, count))
    even = tuple(min(chunk, size - k * chunk) for k in range(count))
    parts = node.integers("split") or builder.integers(node, 1, "the split") or even
    if len(parts) != count or sum(parts) != size or min(parts) < 1:
        raise Refusal("E012", f"Split of {size} entries into {parts} does not give {count} parts", _CHECK)
    results: list[Value] = []
    for k, part in enumerate(parts):
        cuts = [slice(None)] * len(tensor.shape)
        cuts[axis] = slice(sum(parts[:k]), sum(parts[:k]) + part)
        results.append(_cut(node, builder, tensor, cuts, part=f"part{k}"))
    return tuple(results)


def _concat(node: OnnxNode, builder: Builder) -> Value:
    """Pad every branch with zeros to the full extent and add: linear, so that it folds into the next weights."""
    values = builder.operands(node)
    tensors = [value for value in values if isinstance(value, Tensor)]
    rank = len(tensors[0].shape)
    axis = axis_of(node.integer("axis", 0), rank, node)
    builder.require_batch_first(axis != 0, node, "joins along the batch")
    shapes = [value.array.shape if isinstance(value, Constant) else value.shape for value in values]
    others = {(*shape[1:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) > 1 or any(len(shape) != rank for shape in shapes):
        raise Refusal("E012", f"Concat joins values of shapes {', '.join(map(str, shapes))}", _CHECK)
    total = sum(shape[axis] for shape in shapes)
    branches: list[Tensor] = []
    place = 0
    for value, shape in zip(values, shapes, strict=True):
        if isinstance(value, Tensor):
            before, after = [0] * (rank - 1), [0] * (rank - 1)
            before[axis - 1], after[axis - 1] = place, total - place - shape[axis]
            part = f"branch{len(branches)}" if len(tensors) > 1 else ""
            branches.append(_padded(node, builder, value, tuple(before), tuple(after), part=part))
        place += shape[axis]
    result = joined(node, builder, branches)
    if len(tensors) == len(values):
        return result
    fixed = np.zeros(result.sample)
    place = 0
    for value, shape in zip(values, shapes, strict=True):
        if isinstance(value, Constant):
            position = [slice(None)] * (rank - 1)
            position[axis - 1] = slice(place, place + shape[axis])
            fixed[tuple(position)] = per_sample(finite(value), tensors[0], node, builder)
        place += shape[axis]
    return shifted(node, builder, result, fixed, part="constants")


HANDLERS: dict[str, Handler] = {
    "Pad": _pad,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "Concat": _concat,
}
