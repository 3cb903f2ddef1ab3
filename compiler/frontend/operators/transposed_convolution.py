"""ConvTranspose: its input with zeros between the entries, convolved with the mirrored kernel."""

from __future__ import annotations

import math

import numpy as np

from ....runtime.program.geometry import ConvGeometry
from ...ir.operators import Conv, FloatArray
from ...ir.sparse_operator import AxisMap
from ..builder import LARGEST_VALUE, Builder, Tensor, Value, require_size
from ..graph import OnnxNode
from ..refusal import Refusal
from .axis_maps import mapped
from .handler import Handler
from .windows import as_map, from_map, listed_extents, two_extents

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"


def _conv_transpose(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    weight = builder.weights(node, 1, "the weight")
    spatial = weight.ndim - 2
    if spatial not in (1, 2) or len(tensor.shape) != weight.ndim:
        hint = "use one or two spatial axes: fold others into the channels, or into the batch outside of the model"
        message = f"ConvTranspose has a weight of shape {weight.shape} on a value of shape {tensor.shape}"
        raise Refusal("E102", message, hint)
    groups = node.integer("group", 1)
    if groups < 1 or weight.shape[0] % groups or tensor.shape[1] != weight.shape[0]:
        message = f"ConvTranspose has a weight of shape {weight.shape} in {groups} groups on {tensor.shape[1]} channels"
        raise Refusal("E012", message, _CHECK)
    outputs = weight.shape[1] * groups
    bias = builder.weights(node, 2, "the bias") if node.input(2) else np.zeros(outputs)
    if bias.shape != (outputs,):
        raise Refusal("E012", f"ConvTranspose has a bias of shape {bias.shape} for {outputs} channels", _CHECK)
    kernel = weight.reshape(*weight.shape[:2], *two_extents(tuple(weight.shape[2:]), 1))
    geometry, stretch = _geometry(node, tensor, tuple(weight.shape[2:]), groups)
    image = as_map(node, builder, tensor)
    stretched = mapped(node, builder, image, _stretching(node, image, stretch), part="stretched")
    result = builder.emit(node, Conv(_mirrored(kernel, groups), bias, geometry), stretched)
    return from_map(node, builder, result, spatial)


def _geometry(
    node: OnnxNode, tensor: Tensor, kernel: tuple[int, ...], groups: int
) -> tuple[ConvGeometry, tuple[int, int]]:
    """Geometry of the convolution behind the stretched map, and how far each axis is stretched."""
    rank = len(kernel)
    if (node.integers("kernel_shape") or kernel) != kernel:
        raise Refusal("E012", f"ConvTranspose declares a kernel other than that of its weight, {kernel}", _CHECK)
    stride = listed_extents(node, "strides", (1,) * rank, rank, least=1)
    dilation = listed_extents(node, "dilations", (1,) * rank, rank, least=1)
    more = listed_extents(node, "output_padding", (0,) * rank, rank, least=0)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    full = [(n - 1) * s + r + 1 + m for n, s, r, m in zip(tensor.sample[1:], stride, reach, more, strict=True)]
    before, after = _pads(node, full, stride, tensor)
    begins = tuple(r - b for r, b in zip(reach, before, strict=True))
    ends = tuple(r + m - a for r, m, a in zip(reach, more, after, strict=True))
    sizes = [f - b - a for f, b, a in zip(full, before, after, strict=True)]
    if min(sizes) < 1:
        raise Refusal("E012", f"ConvTranspose leaves nothing of a value of shape {tensor.shape}", _CHECK)
    require_size(node, tensor.sample[0] * math.prod(max(pair) for pair in zip(full, sizes, strict=True)))
    padding = (*two_extents(begins, 0), *two_extents(ends, 0))
    return ConvGeometry((1, 1), padding, two_extents(dilation, 1), groups), two_extents(stride, 1)


def _pads(
    node: OnnxNode, full: list[int], stride: tuple[int, ...], tensor: Tensor
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is cut off from the full result before and after each axis."""
    rank, mode = len(full), node.text("auto_pad", "NOTSET")
    wanted = node.integers("output_shape")
    if mode in ("NOTSET", "", "VALID") and wanted is None:
        pads = (
            listed_extents(node, "pads", (0,) * (2 * rank), 2 * rank, least=0) if mode != "VALID" else (0,) * 2 * rank
        )
        return pads[:rank], pads[rank:]
    shape = wanted[-rank:] if wanted else tuple(n * s for n, s in zip(tensor.sample[1:], stride, strict=True))
    if len(shape) != rank or not all(1 <= n <= LARGEST_VALUE for n in shape):
        raise Refusal("E012", f"ConvTranspose has the output shape {wanted} for {rank} axes", _CHECK)
    totals = [f - n for f, n in zip(full, shape, strict=True)]
    small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def _stretching(node: OnnxNode, image: Tensor, stretch: tuple[int, int]) -> dict[int, AxisMap]:
    maps = {}
    for axis, factor in enumerate(stretch, start=1):
        size = image.sample[axis]
        if factor > 1 and size > 1:
            places = np.arange(size)
            maps[axis] = AxisMap(np.ones(size), places, places * factor, size, (size - 1) * factor + 1)
    return maps


def _mirrored(kernel: FloatArray, groups: int) -> FloatArray:
    """(I, O/groups, rows, columns) as the weight (O, I/groups, rows, columns) of a convolution."""
    inputs, outputs, *extents = kernel.shape
    apart = kernel.reshape(groups, inputs // groups, outputs, *extents).swapaxes(1, 2)
    return np.ascontiguousarray(apart[..., ::-1, ::-1]).reshape(groups * outputs, inputs // groups, *extents)


HANDLERS: dict[str, Handler] = {"ConvTranspose": _conv_transpose}
