"""Convolutions of volumes (channels, depth, rows, columns) that are convolutions of maps."""

from __future__ import annotations

import numpy as np

from ...ir.operators import FloatArray
from ..builder import Builder, Tensor, Value
from ..constants import Constant
from ..graph import OnnxNode
from ..refusal import Refusal
from .windows import listed_extents, padding_of


def conv_of_volume(node: OnnxNode, builder: Builder, tensor: Tensor, weight: FloatArray, bias: FloatArray) -> Value:
    """A convolution where the depth is one position of the kernel, or where every plane is convolved by itself.

    In the first case the depth joins the channels, in the second planes become groups.
    """
    channels, depth, rows, columns = tensor.sample
    kernel = tuple(weight.shape[2:])
    stride, dilation = (listed_extents(node, name, (1,) * 3, 3, least=1) for name in ("strides", "dilations"))
    pads = padding_of(node, (depth, rows, columns), kernel, stride, dilation)
    positions = (depth + pads[0] + pads[3] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    attributes = {"strides": stride[1:], "dilations": dilation[1:], "pads": (*pads[1:3], *pads[4:])}
    groups = node.integer("group", 1)
    if positions == 1:
        spread = _over_depth(weight, depth, pads[0], dilation[0])
        folded = builder.reshaped(node, tensor, (channels * depth, rows, columns), part="planes")
        result = _convolved(node, builder, folded, spread, bias, {**attributes, "group": groups})
        return builder.reshaped(node, result, (result.sample[0], 1, *result.sample[1:]), part="volume")
    if kernel[0] == 1 and stride[0] == 1 and positions == depth and groups == 1:
        planes = builder.transposed(node, tensor, (1, 0, 2, 3), part="planes_first")
        folded = builder.reshaped(node, planes, (depth * channels, rows, columns), part="planes")
        repeated = np.tile(weight[:, :, 0], (depth, 1, 1, 1))
        result = _convolved(node, builder, folded, repeated, np.tile(bias, depth), {**attributes, "group": depth})
        apart = builder.reshaped(node, result, (depth, len(weight), *result.sample[1:]), part="apart")
        return builder.transposed(node, apart, (1, 0, 2, 3), part="volume")
    raise Refusal(
        "E102",
        f"{node.operator} slides a kernel of shape {kernel} along all three axes of {tensor.sample}",
        "use two-dimensional convolutions, with the frames or slices as channels: reshape to "
        f"(batch, {channels * depth}, {rows}, {columns}) and retrain",
    )


def _over_depth(weight: FloatArray, depth: int, before: int, dilation: int) -> FloatArray:
    """The kernel as it lies on all planes, zero where it has no entry: (O, I/groups * depth, rows, columns)."""
    outputs, inputs, reach, *extents = weight.shape
    spread = np.zeros((outputs, inputs, depth, *extents))
    for entry in range(reach):
        plane = entry * dilation - before
        if 0 <= plane < depth:
            spread[:, :, plane] = weight[:, :, entry]
    return spread.reshape(outputs, inputs * depth, *extents)


def _convolved(
    node: OnnxNode,
    builder: Builder,
    tensor: Tensor,
    weight: FloatArray,
    bias: FloatArray,
    attributes: dict[str, object],
) -> Tensor:
    constants = (Constant(array, node.input(1)) for array in (weight, bias))
    result = builder.applied(node, "Conv", tensor, *constants, **attributes)
    assert isinstance(result, Tensor), "the convolution of a tensor is one"
    return result
