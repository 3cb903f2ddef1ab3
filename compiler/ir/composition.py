"""Algebra of linear maps: one exact map for two that follow each other.

A convolution after a convolution is a convolution (kernels convolve, strides multiply) unless the second pads
where the first, evaluated beyond its edge, is not zero. What is no convolution is kept by its coordinates, and as a
matrix behind a dense layer or where at least half of it is filled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np

from ...runtime.program import IntArray
from ...runtime.program.geometry import ConvGeometry
from ...targets.records import dataclass
from ..arithmetic import convolve, matmul
from .composed_kernel import composed_dilation, composed_kernel, without_groups
from .operators import FloatArray, Shape
from .sparse_maps import (
    matrix_after_sparse,
    moved,
    refuse_if_too_large,
    sparse_after_matrix,
    sparse_convolution,
    sparse_from_matrix,
    sparse_identity,
    sparse_product,
    sum_of_sparse,
    to_matrix,
)
from .spiking import ConvMap, DenseMap, LinearMap, SparseMap

_MOST_FORMS = 64
"""Of a sum: how many different convolutions of one source are kept apart."""
_ENTRIES_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class MappedValue:
    """A value as a linear function of one source.

    ``map`` None is the identity times ``gain``, which is 1 for any other map. ``shape`` is the value's shape. Entry j
    of the value in C order is entry ``order[j]`` of the map's result in C order; ``order`` None leaves it as it is.
    """

    source: str
    source_shape: Shape
    map: LinearMap | None
    shape: Shape
    order: IntArray | None = None
    gain: float = 1.0


def identity(source: str, shape: Shape) -> MappedValue:
    """The source itself."""
    return MappedValue(source, shape, None, shape)


def reshaped(value: MappedValue, shape: Shape) -> MappedValue:
    """The same entries under another shape; a convolution whose whole channels were moved is one again."""
    seen = replace(value, shape=shape)
    channels = None if seen.order is None or len(shape) != 3 else _moved_channels(seen.order, shape)
    conv = _as_conv(replace(seen, order=None))
    if channels is None or conv is None:
        return seen
    weight = without_groups(conv)[channels]
    geometry = replace(conv.geometry, groups=1)
    return MappedValue(value.source, value.source_shape, ConvMap(weight, geometry), shape)


def _moved_channels(order: IntArray, shape: Shape) -> IntArray | None:
    """Where each channel of a map of ``shape`` was before; None where ``order`` moves anything within channels."""
    size = shape[1] * shape[2]
    channels, rest = np.divmod(order.reshape(shape[0], size), size)
    stays = bool((rest == np.arange(size)).all() and (channels == channels[:, :1]).all())
    return channels[:, 0] if stays else None


def transposed(value: MappedValue, axes: Shape) -> MappedValue:
    """Axes permuted."""
    order = np.arange(int(np.prod(value.shape))) if value.order is None else value.order
    moved = order.reshape(value.shape).transpose(axes)
    is_back = bool((np.diff(moved.ravel()) == 1).all())
    return replace(value, shape=moved.shape, order=None if is_back else moved.ravel())


def then_conv(value: MappedValue, after: ConvMap, shape: Shape) -> MappedValue:
    """Convolve ``value``, giving ``shape``."""
    first = _as_conv(value)
    composed = None if first is None else _compose_convs(first, after, value, shape)
    if composed is not None:
        return MappedValue(value.source, value.source_shape, composed, shape)
    if not isinstance(value.map, DenseMap):
        return then_sparse(value, sparse_convolution(after, value.shape), shape)
    matrix = as_matrix(value)
    sources = matrix.shape[1]
    refuse_if_too_large(int(np.prod(shape)), sources)
    maps = matrix.T.reshape(sources, *value.shape)
    composed_matrix = convolve(maps, after.weight, after.geometry).reshape(sources, -1).T
    return MappedValue(value.source, value.source_shape, DenseMap(np.ascontiguousarray(composed_matrix)), shape)


def then_sparse(value: MappedValue, after: SparseMap, shape: Shape) -> MappedValue:
    """Apply ``after`` to the entries of ``value``, giving ``shape``."""
    linear: LinearMap
    if isinstance(value.map, DenseMap):
        targets = int(np.prod(shape))
        refuse_if_too_large(targets, int(np.prod(value.source_shape)))
        linear = DenseMap(sparse_after_matrix(after, as_matrix(value), targets))
    else:
        linear = sparse_product(after, as_sparse(value), int(np.prod(value.source_shape)))
    return MappedValue(value.source, value.source_shape, linear, shape)


def then_dense(value: MappedValue, weight: FloatArray) -> MappedValue:
    """Multiply by ``weight`` (outputs, entries)."""
    unordered = weight
    if value.order is not None:
        unordered = np.empty_like(weight)
        unordered[:, value.order] = weight
    return MappedValue(value.source, value.source_shape, DenseMap(_dense_after(value, unordered)), (len(weight),))


def then_scale(value: MappedValue, factor: FloatArray) -> MappedValue:
    """Multiply each entry by ``factor``, which broadcasts to the value's shape."""
    if bool((factor == factor.flat[0]).all()):
        return _times(value, float(factor.flat[0]))
    spread = np.broadcast_to(factor, value.shape)
    if len(value.shape) == 3 and (spread == spread[:, :1, :1]).all():
        weight = np.ascontiguousarray(spread[:, :1, :1])[:, None]
        return then_conv(value, ConvMap(weight, ConvGeometry(groups=value.shape[0])), value.shape)
    if isinstance(value.map, DenseMap):
        matrix = as_matrix(value) * spread.reshape(-1, 1)
        return MappedValue(value.source, value.source_shape, DenseMap(matrix), value.shape)
    places = np.arange(spread.size)
    return then_sparse(value, SparseMap(spread.ravel(), places, places), value.shape)


def _times(value: MappedValue, factor: float) -> MappedValue:
    if value.map is None:
        return replace(value, gain=value.gain * factor)
    return replace(value, map=replace(value.map, weight=value.map.weight * factor))


def summed(values: Iterable[MappedValue]) -> tuple[MappedValue, ...]:
    """Values of one shape whose sum is that of ``values``: maps of one source and form become one map.

    Where a source is reached in more than ``_MOST_FORMS`` forms, all of them become one map.
    """
    forms: dict[tuple[object, ...], MappedValue] = {}
    counts: Counter[str] = Counter()
    for value in values:
        form = _form(value)
        counts[value.source] += form not in forms
        forms[form] = _plus(forms[form], value) if form in forms else value
    result = []
    for source, count in counts.items():
        alike = [value for value in forms.values() if value.source == source]
        result += alike if count <= _MOST_FORMS else [_as_one_map(alike)]
    return tuple(result)


def _form(value: MappedValue) -> tuple[object, ...]:
    order = None if value.order is None else value.order.tobytes()
    geometry = value.map.geometry if isinstance(value.map, ConvMap) else None
    # Sparse maps of any number of weights can be added.
    weights = None if value.map is None or isinstance(value.map, SparseMap) else value.map.weight.shape
    return value.source, value.shape, order, type(value.map), geometry, weights


def _plus(value: MappedValue, other: MappedValue) -> MappedValue:
    """Sum of two values of one form."""
    if value.map is None or other.map is None:
        return replace(value, gain=value.gain + other.gain)
    if isinstance(value.map, SparseMap) and isinstance(other.map, SparseMap):
        return replace(value, map=sum_of_sparse([value.map, other.map], int(np.prod(value.source_shape))))
    return replace(value, map=replace(value.map, weight=value.map.weight + other.map.weight))


def _as_one_map(values: list[MappedValue]) -> MappedValue:
    first = values[0]
    linear: LinearMap
    if any(isinstance(value.map, DenseMap) for value in values):
        linear = DenseMap(sum((as_matrix(value) for value in values[1:]), start=as_matrix(first)))
    else:
        linear = sum_of_sparse([as_sparse(value) for value in values], int(np.prod(first.source_shape)))
    return MappedValue(first.source, first.source_shape, linear, first.shape)


def as_map(value: MappedValue) -> LinearMap:
    """The map as a convolution where it is one, otherwise by its coordinates, or as a matrix where it is filled."""
    conv = _as_conv(value)
    if conv is not None:
        return conv
    if isinstance(value.map, DenseMap):
        return DenseMap(as_matrix(value))
    entries = as_sparse(value)
    targets, sources = int(np.prod(value.shape)), int(np.prod(value.source_shape))
    if 2 * len(entries.weight) >= targets * sources:
        return DenseMap(to_matrix(entries, targets, sources))
    # Weights are rounded row by row, in an array as wide as the longest row.
    longest = int(np.bincount(entries.target).max(initial=0))
    refuse_if_too_large(targets, longest)
    return entries


def as_sparse(value: MappedValue) -> SparseMap:
    """The map by its coordinates (entries of the value, entries of the source)."""
    match value.map:
        case None:
            entries = sparse_identity(int(np.prod(value.shape)), value.gain)
        case ConvMap():
            entries = sparse_convolution(value.map, value.source_shape)
        case DenseMap():
            entries = sparse_from_matrix(value.map.weight)
        case SparseMap():
            entries = value.map
    return entries if value.order is None else moved(entries, value.order, int(np.prod(value.source_shape)))


def as_matrix(value: MappedValue) -> FloatArray:
    """The map as an explicit matrix (entries of the value, entries of the source)."""
    if isinstance(value.map, DenseMap):
        matrix = value.map.weight
    else:
        size = int(np.prod(value.shape))
        refuse_if_too_large(size, max(size, int(np.prod(value.source_shape))))
        matrix = _dense_after(value, np.eye(size))
    return matrix if value.order is None else matrix[value.order]


def _as_conv(value: MappedValue) -> ConvMap | None:
    if value.order is not None or len(value.shape) != 3:
        return None
    if value.map is None and value.source_shape == value.shape:
        channels = value.shape[0]
        return ConvMap(np.full((channels, 1, 1, 1), value.gain), ConvGeometry(groups=channels))
    if isinstance(value.map, ConvMap) and value.shape == _conv_shape(value.map, value.source_shape):
        return value.map
    return None


def _conv_shape(conv: ConvMap, source: Shape) -> Shape:
    size = conv.geometry.output_size((source[1], source[2]), (conv.weight.shape[2], conv.weight.shape[3]))
    return (len(conv.weight), *size)


def _compose_convs(first: ConvMap, after: ConvMap, value: MappedValue, shape: Shape) -> ConvMap | None:
    if any(_reads_beyond_edge(first, after, value, shape, axis) for axis in (0, 1)):
        return None
    composed = composed_kernel(first, after)
    if composed is None:
        return None
    weight, groups = composed
    strides, dilations, starts, ends = [], [], [], []
    for axis in (0, 1):
        stride = first.geometry.stride[axis] * after.geometry.stride[axis]
        dilation = composed_dilation(first, after, axis)
        start = first.geometry.padding[axis] + first.geometry.stride[axis] * after.geometry.padding[axis]
        span = dilation * (weight.shape[2 + axis] - 1) + 1
        end = (shape[1 + axis] - 1) * stride + span - value.source_shape[1 + axis] - start
        strides.append(stride)
        dilations.append(dilation)
        starts.append(start)
        ends.append(end)
    geometry = ConvGeometry(
        (strides[0], strides[1]), (starts[0], starts[1], ends[0], ends[1]), (dilations[0], dilations[1]), groups
    )
    return ConvMap(weight, geometry)


def _reads_beyond_edge(first: ConvMap, after: ConvMap, value: MappedValue, shape: Shape, axis: int) -> bool:
    """Whether ``after`` pads at a place where ``first``, evaluated there, would not give zero."""
    geometry, kernel = after.geometry, after.weight.shape[2 + axis]
    lowest = -geometry.padding[axis]
    highest = (shape[1 + axis] - 1) * geometry.stride[axis] + lowest + geometry.dilation[axis] * (kernel - 1)
    stride, padding = first.geometry.stride[axis], first.geometry.padding[axis]
    reach = first.geometry.dilation[axis] * (first.weight.shape[2 + axis] - 1)
    nearest_before = -stride - padding + reach
    nearest_after = value.shape[1 + axis] * stride - padding
    return (lowest < 0 and nearest_before >= 0) or (
        highest >= value.shape[1 + axis] and nearest_after < value.source_shape[1 + axis]
    )


def _dense_after(value: MappedValue, weight: FloatArray) -> FloatArray:
    """``weight`` (outputs, entries of the map's result) composed with the map."""
    if value.map is None:
        return weight if value.gain == 1 else weight * value.gain
    refuse_if_too_large(len(weight), int(np.prod(value.source_shape)))
    if isinstance(value.map, DenseMap):
        return matmul(weight, value.map.weight)
    if isinstance(value.map, SparseMap):
        return matrix_after_sparse(weight, value.map, int(np.prod(value.source_shape)))
    return _transposed_conv(value.map, weight, value.source_shape)


def _transposed_conv(conv: ConvMap, weight: FloatArray, source: Shape) -> FloatArray:
    geometry, groups = conv.geometry, conv.geometry.groups
    outputs, rows, columns = _conv_shape(conv, source)
    gradient = weight.reshape(len(weight), groups, outputs // groups, rows, columns)
    kernel = conv.weight.reshape(groups, outputs // groups, *conv.weight.shape[1:])
    before = [max(0, p) for p in geometry.padding]
    extent = [source[1] + before[0] + before[2], source[2] + before[1] + before[3]]
    spread = np.zeros((len(weight), groups, conv.weight.shape[1], *extent))
    crop = [max(0, -p) for p in geometry.padding]
    # Some targets at a time, so that what the taps are added to stays in the cache.
    some = max(1, _ENTRIES_AT_ONCE // spread[0].size) if kernel.shape[1:3] == (1, 1) else len(weight)
    for first, (ky, kx) in product(range(0, len(weight), some), np.ndindex(*conv.weight.shape[2:])):
        top, left = crop[0] + ky * geometry.dilation[0], crop[1] + kx * geometry.dilation[1]
        seen = (
            slice(top, top + (rows - 1) * geometry.stride[0] + 1, geometry.stride[0]),
            slice(left, left + (columns - 1) * geometry.stride[1] + 1, geometry.stride[1]),
        )
        if kernel.shape[1:3] == (1, 1):
            targets = slice(first, first + some)
            spread[targets, :, 0, seen[0], seen[1]] += gradient[targets, :, 0] * kernel[:, 0, 0, ky, kx, None, None]
            continue
        for group in range(groups):
            flat = gradient[:, group].transpose(0, 2, 3, 1).reshape(-1, outputs // groups)
            part = matmul(flat, kernel[group, :, :, ky, kx]).reshape(len(weight), rows, columns, -1)
            spread[:, group, :, seen[0], seen[1]] += part.transpose(0, 3, 1, 2)
    inside = spread[..., before[0] : before[0] + source[1], before[1] : before[1] + source[2]]
    return np.ascontiguousarray(inside.reshape(len(weight), -1))
