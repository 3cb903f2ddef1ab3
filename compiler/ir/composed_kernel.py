"""Kernel of two convolutions one after the other."""

from __future__ import annotations

import numpy as np

from ..arithmetic import matmul
from .operators import FloatArray
from .sparse_maps import refuse_if_too_large
from .spiking import ConvMap

_MOST_TAPS = 1 << 16
"""Of a composed kernel; pooling of 224 x 224 places behind a convolution has fewer."""


def composed_dilation(first: ConvMap, after: ConvMap, axis: int) -> int:
    """Distance of the composed kernel's taps along ``axis``."""
    sizes = (first.weight.shape[2 + axis], after.weight.shape[2 + axis])
    if sizes[0] == 1 and sizes[1] > 1:
        return first.geometry.stride[axis] * after.geometry.dilation[axis]
    if sizes[1] == 1 and sizes[0] > 1:
        return first.geometry.dilation[axis]
    return 1


def composed_kernel(first: ConvMap, after: ConvMap) -> tuple[FloatArray, int] | None:
    """Kernel and its groups; None where it is as large as a map, whose sums are few and better listed."""
    picked = _picked(first, after)
    if picked is not None:
        return picked, 1
    channelwise = _channelwise_product(first, after)
    inner, outer, groups = channelwise or (without_groups(first), without_groups(after), 1)
    apart = np.broadcast_shapes(outer.shape[:2], inner.shape[:2]) if channelwise else None
    result = apart or (len(outer), inner.shape[1])
    spacing = [
        (
            composed_dilation(first, after, a),
            first.geometry.dilation[a],
            first.geometry.stride[a] * after.geometry.dilation[a],
        )
        for a in (0, 1)
    ]
    extent = [
        (s[1] * (inner.shape[2 + a] - 1) + s[2] * (outer.shape[2 + a] - 1)) // s[0] + 1 for a, s in enumerate(spacing)
    ]
    if extent[0] * extent[1] > _MOST_TAPS:
        return None
    refuse_if_too_large(result[0] * result[1], extent[0] * extent[1])
    kernel = np.zeros((*result, *extent))
    if channelwise is None:
        for by, bx, ay, ax in np.ndindex(*outer.shape[2:], *inner.shape[2:]):
            row = (spacing[0][1] * ay + spacing[0][2] * by) // spacing[0][0]
            column = (spacing[1][1] * ax + spacing[1][2] * bx) // spacing[1][0]
            kernel[:, :, row, column] += matmul(outer[:, :, by, bx], inner[:, :, ay, ax])
        return kernel, groups
    # Last to first, so that every entry is added up in the order of the outer taps whichever are the fewer.
    for ay, ax in reversed(list(np.ndindex(*inner.shape[2:]))):
        rows, columns = (_tap_places(s, tap, n) for s, tap, n in zip(spacing, (ay, ax), outer.shape[2:], strict=True))
        kernel[:, :, rows, columns] += outer * inner[:, :, ay, ax, None, None]
    return kernel, groups


def _picked(first: ConvMap, after: ConvMap) -> FloatArray | None:
    """Kernel where ``after`` takes each channel from one of ``first``'s, or from none; None where it does not."""
    if after.geometry.groups != 1 or after.weight.shape[2:] != (1, 1):
        return None
    factors = after.weight[:, :, 0, 0]
    is_read = factors != 0
    if (np.count_nonzero(is_read, axis=1) > 1).any():
        return None
    source = is_read.argmax(axis=1)
    refuse_if_too_large(len(source) * first.weight.shape[1] * first.geometry.groups, first.weight[0, 0].size)
    kernel = without_groups(first)[source]
    # No zero with a sign where nothing is taken.
    return np.asarray(kernel * factors[np.arange(len(source)), source][:, None, None, None] + 0.0)


def _tap_places(spacing: tuple[int, int, int], inner: int, outer: int) -> slice:
    """Where the products of tap ``inner`` of the first kernel with all ``outer`` taps of the second one fall."""
    unit, own, other = spacing
    first, step = own * inner // unit, max(1, other // unit)
    return slice(first, first + (outer - 1) * step + 1, step)


def _channelwise_product(first: ConvMap, after: ConvMap) -> tuple[FloatArray, FloatArray, int] | None:
    """Kernels that multiply entry by entry when one of the two maps keeps channels apart, and the result's groups."""
    outputs, per_group = after.weight.shape[:2]
    if first.weight.shape[1] == 1 and first.geometry.groups == len(first.weight):
        group = np.arange(outputs)[:, None] // (outputs // after.geometry.groups)
        source = group * per_group + np.arange(per_group)[None, :]
        return first.weight[source, 0], after.weight, after.geometry.groups
    if per_group == 1 and after.geometry.groups == outputs:
        return first.weight, after.weight, first.geometry.groups
    return None


def without_groups(conv: ConvMap) -> FloatArray:
    """Kernel (outputs, inputs, rows, columns) with zeros where groups do not read."""
    if conv.geometry.groups == 1:
        return conv.weight
    outputs, inputs = conv.weight.shape[:2]
    groups = conv.geometry.groups
    full = np.zeros((outputs, inputs * groups, *conv.weight.shape[2:]))
    for group in range(groups):
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        full[rows, group * inputs : (group + 1) * inputs] = conv.weight[rows]
    return full
