"""How what happens along single axes becomes operators of level 1: a slice where one says it, else synapses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...ir.operators import Shape, Slice
from ...ir.sparse_operator import AxisMap, along_axes, picking
from ..builder import LARGEST_VALUE, Builder, Tensor, require_size
from ..graph import OnnxNode
from ..refusal import Refusal


def mapped(node: OnnxNode, builder: Builder, tensor: Tensor, maps: Mapping[int, AxisMap], part: str = "") -> Tensor:
    """``tensor`` with ``maps[axis]`` applied along axes of the sample; nothing is added where all stays."""
    slices = {axis: kept for axis, each in maps.items() if (kept := _as_slice(each)) is not None}
    if len(slices) == len(maps):
        return _sliced(node, builder, tensor, slices, part)
    sizes = [maps[axis].size if axis in maps else size for axis, size in enumerate(tensor.sample)]
    require_size(node, math.prod(sizes))
    counts = (len(maps[axis].weight) if axis in maps else size for axis, size in enumerate(tensor.sample))
    require_few_synapses(node, math.prod(counts))
    return builder.emit(node, along_axes(tensor.sample, maps), tensor, part=part)


def expanded(node: OnnxNode, builder: Builder, tensor: Tensor, sample: Shape, part: str = "repeated") -> Tensor:
    """``tensor`` with its axes of length one repeated as ``sample`` has them, and axes put in front where it has more.

    Refusal E012 where the shapes do not broadcast.
    """
    shape = (1,) * (len(sample) - len(tensor.sample)) + tensor.sample
    if len(shape) != len(sample) or any(n not in (1, size) for n, size in zip(shape, sample, strict=True)):
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"{node.operator} cannot repeat a value of shape {tensor.sample} to {sample}", hint)
    aligned = builder.reshaped(node, tensor, shape, part=f"{part}.shape" if part else "shape")
    repeats = {axis: n for axis, n in enumerate(sample) if n != shape[axis]}
    require_size(node, math.prod(sample))
    maps = {axis: picking(np.zeros(n, np.int64), 1) for axis, n in repeats.items()}
    return mapped(node, builder, aligned, maps, part=part)


def require_few_synapses(node: OnnxNode, count: int) -> None:
    """Refuse an operator whose weights with coordinates would fill the memory, before they are made."""
    if count > LARGEST_VALUE:
        message = f"{node.operator} needs {count} synapses with coordinates, more than {LARGEST_VALUE}"
        raise Refusal("E107", message, "apply it to a smaller map, or where there are fewer channels")


def _as_slice(each: AxisMap) -> slice | None:
    picks = each.picks
    if picks is None:
        return None
    steps = np.diff(picks)
    step = int(steps[0]) if len(steps) else 1
    if step < 1 or (steps != step).any():
        return None
    return slice(int(picks[0]), int(picks[-1]) + 1, step)


def _sliced(node: OnnxNode, builder: Builder, tensor: Tensor, slices: Mapping[int, slice], part: str) -> Tensor:
    kept = [slices.get(axis, slice(0, size, 1)) for axis, size in enumerate(tensor.sample)]
    operator = Slice(tuple(k.start for k in kept), tuple(k.stop for k in kept), tuple(k.step for k in kept))
    if operator.result_shape((tensor.sample,)) == tensor.sample:
        return tensor
    return builder.emit(node, operator, tensor, part=part)
