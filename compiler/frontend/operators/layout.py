"""Operators that move or repeat values without changing them, and those that read the shape of a value."""

from __future__ import annotations

import math

import numpy as np

from ....runtime.program.geometry import ConvGeometry
from ...ir.operators import Conv, Shape
from ..builder import Builder, Tensor, Turned, Value, axis_of, require_size
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .axis_maps import expanded
from .handler import Handler

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"


def _viewed(node: OnnxNode, builder: Builder, tensor: Tensor, shape: Shape) -> Tensor:
    if math.prod(shape) != math.prod(tensor.shape) or min(shape, default=0) < 1:
        raise Refusal("E012", f"{node.operator} cannot view a value of shape {tensor.shape} as {shape}", _CHECK)
    builder.require_batch_first(shape[:1] == tensor.shape[:1], node, f"makes {shape} of the batch")
    return builder.reshaped(node, tensor, shape[1:])


def _reshape(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    wanted = builder.integers(node, 1, "the shape")
    if wanted is None:
        raise Refusal("E005", "Reshape lacks its shape", _CHECK)
    copy_zeros = node.integer("allowzero", 0) == 0
    shape = [
        tensor.shape[axis] if n == 0 and copy_zeros and axis < len(tensor.shape) else n for axis, n in enumerate(wanted)
    ]
    if shape.count(-1) == 1:
        known = math.prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = math.prod(tensor.shape) // known if known > 0 else -1
    return _viewed(node, builder, tensor, tuple(shape))


def _flatten(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axis = node.integer("axis", 1)
    split = axis if axis == len(tensor.shape) else axis_of(axis, len(tensor.shape), node)
    builder.require_batch_first(split == 1, node, f"starts at axis {axis}")
    return _viewed(node, builder, tensor, (tensor.shape[0], math.prod(tensor.sample)))


def _axes(node: OnnxNode, builder: Builder) -> tuple[int, ...] | None:
    listed = node.integers("axes")
    return listed if listed is not None else builder.integers(node, 1, "the axes")


def _squeeze(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = _axes(node, builder)
    rank = len(tensor.shape)
    removed = {k for k, n in enumerate(tensor.shape) if n == 1 and k} if axes is None else set()
    removed |= {axis_of(axis, rank, node) for axis in axes or ()}
    builder.require_batch_first(0 not in removed, node, "removes the batch axis")
    return _viewed(node, builder, tensor, tuple(n for axis, n in enumerate(tensor.shape) if axis not in removed))


def _unsqueeze(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = _axes(node, builder) or ()
    rank = len(tensor.shape) + len(axes)
    added = {axis_of(axis, rank, node) for axis in axes}
    builder.require_batch_first(0 not in added, node, "puts an axis before the batch")
    rest = iter(tensor.shape)
    return _viewed(node, builder, tensor, tuple(1 if axis in added else next(rest, 1) for axis in range(rank)))


def _transpose(node: OnnxNode, builder: Builder) -> Value:
    value = builder.value(node, 0)
    turned = value if isinstance(value, Turned) else Turned(builder.tensor(node), 0)
    tensor, place = turned.tensor, turned.place
    rank = len(tensor.shape)
    axes = node.integers("perm") or tuple(reversed(range(rank)))
    if sorted(axes) != list(range(rank)):
        raise Refusal("E012", f"Transpose by {axes} does not fit a value of shape {tensor.shape}", _CHECK)
    moved = builder.transposed(node, tensor, tuple(axis - (axis > place) for axis in axes if axis != place))
    return moved if axes[0] == place else Turned(moved, axes.index(place))


def _expand(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    wanted = builder.integers(node, 1, "the shape") or ()
    try:
        shape = np.broadcast_shapes(tensor.shape, wanted)
    except ValueError:
        raise Refusal("E012", f"Expand cannot bring {tensor.shape} to {wanted}", _CHECK) from None
    kept = len(shape) == len(tensor.shape) and shape[0] == tensor.shape[0]
    builder.require_batch_first(kept, node, f"makes {shape} of a value of shape {tensor.shape}")
    return expanded(node, builder, tensor, shape[1:], part="")


def _space_to_depth(node: OnnxNode, builder: Builder) -> Value:
    """A convolution whose kernels pick one entry each of every block."""
    tensor, block = _blocks(node, builder)
    channels, rows, columns = tensor.sample
    if rows % block or columns % block:
        raise Refusal("E012", f"SpaceToDepth by {block} does not divide a value of shape {tensor.shape}", _CHECK)
    require_size(node, (block * block * channels) ** 2)
    weight = np.zeros((block, block, channels, channels, block, block))
    row, column, channel = np.ogrid[:block, :block, :channels]
    weight[row, column, channel, channel, row, column] = 1
    kernel = weight.reshape(-1, channels, block, block)
    return builder.emit(node, Conv(kernel, np.zeros(len(kernel)), ConvGeometry(stride=(block, block))), tensor)


def _depth_to_space(node: OnnxNode, builder: Builder) -> Value:
    tensor, block = _blocks(node, builder)
    channels, rows, columns = tensor.sample
    if channels % (block * block):
        raise Refusal("E012", f"DepthToSpace by {block} does not divide a value of shape {tensor.shape}", _CHECK)
    rest = channels // (block * block)
    is_column_major = node.text("mode", "DCR") == "CRD"
    shape = (rest, block, block, rows, columns) if is_column_major else (block, block, rest, rows, columns)
    axes = (0, 3, 1, 4, 2) if is_column_major else (2, 3, 0, 4, 1)
    apart = builder.reshaped(node, tensor, shape, part="blocks")
    woven = builder.transposed(node, apart, axes, part="woven")
    return builder.reshaped(node, woven, (rest, rows * block, columns * block))


def _blocks(node: OnnxNode, builder: Builder) -> tuple[Tensor, int]:
    tensor, block = builder.tensor(node), node.integer("blocksize", 0)
    if len(tensor.sample) != 3 or block < 1:
        raise Refusal("E012", f"{node.operator} by {block} does not fit a value of shape {tensor.shape}", _CHECK)
    return tensor, block


def _shape(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    end = node.integer("end", len(tensor.shape))
    return Constant(np.array(tensor.shape[node.integer("start", 0) : end], np.int64), node.outputs[0])


def _size(node: OnnxNode, builder: Builder) -> Value:
    return Constant(np.array(math.prod(builder.tensor(node).shape), np.int64), node.outputs[0])


HANDLERS: dict[str, Handler] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Expand": _expand,
    "SpaceToDepth": _space_to_depth,
    "DepthToSpace": _depth_to_space,
    "Shape": _shape,
    "Size": _size,
}
