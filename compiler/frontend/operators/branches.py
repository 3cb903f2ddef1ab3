"""Operators that take a value apart and join several."""

from __future__ import annotations

import numpy as np

from ..builder import Builder, Tensor, Value, axis_of, finite
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .elementwise import joined, per_sample, shifted
from .handler import Handler
from .padding import padded
from .selecting import cut

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"


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
        results.append(cut(node, builder, tensor, cuts, part=f"part{k}"))
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
            branches.append(padded(node, builder, value, tuple(before), tuple(after), part=part))
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
    "Split": _split,
    "Concat": _concat,
}
