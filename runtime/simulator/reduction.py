"""The least work that gives what a projection gives: pooling first, matrices for small maps, a factor for identities.

Average and sum pooling reach a program folded into the kernel behind them, kron(W, ones(k, k)). Here that is undone:
summing k x k spikes into one small integer and convolving the sums with W is the same sum in another order, of
integers, for a k*k-th of the multiplications. All that is decided here follows from exact equality of weights.

Maps are (H, W, C), channels last. A population of any other shape than (C, H, W) counts as a map of one position.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...targets.records import dataclass
from ..program import ConvSynapses, IntArray, Shape, SparseSynapses, Synapses, Weights
from ..program.folded_pooling import pool_of_kernel
from ..program.geometry import ConvGeometry
from ..program.synapses import sum_of_runs

MapShape = tuple[int, int, int]

_FILLED = 24
"""A matrix product takes a 24th of the time per entry that sums over coordinates take, zeros included."""


@dataclass(frozen=True, slots=True, eq=False)
class MapConvolution:
    """``weight`` (O, C/groups, rows, columns) on maps; the padding below and right is what the output reads."""

    weight: Weights
    geometry: ConvGeometry
    output: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """``weight`` (target neurons, source neurons), both flattened from (H, W, C)."""

    weight: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """``weight`` (n,) at its coordinates in a matrix (``targets``, sources), ascending by target; order (H, W, C)."""

    weight: IntArray
    source: IntArray
    target: IntArray
    targets: int


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """Each neuron reaches the one at its own place, times the ``factor`` (C,) of its channel."""

    factor: IntArray


Form = MapConvolution | Matrix | Entries | Identity


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """Sums over ``pool`` (rows, columns) of the source, then ``form``."""

    pool: tuple[int, int]
    form: Form


def products_of(form: Form, target: MapShape) -> int:
    """Weights that a message of every source would be multiplied with, for a target of this shape."""
    if isinstance(form, MapConvolution):
        return form.weight.size * target[0] * target[1]
    return math.prod(target) if isinstance(form, Identity) else form.weight.size


def fan_in(form: Form) -> IntArray:
    """Sum of the weights' magnitudes per target channel or neuron."""
    if isinstance(form, Entries):
        return sum_of_runs(np.abs(form.weight), form.target, form.targets)
    weight = form.factor if isinstance(form, Identity) else form.weight
    return np.asarray(np.abs(weight).reshape(len(weight), -1).sum(axis=1))


def map_shape(shape: Shape) -> MapShape:
    """(H, W, C) of a population of ``shape``."""
    return (shape[1], shape[2], shape[0]) if len(shape) == 3 else (1, 1, math.prod(shape))


def reduce_synapses(synapses: Synapses, source: Shape, target: Shape) -> Reduced:
    """Find the cheapest form of ``synapses`` from a population of shape ``source`` to one of ``target``."""
    rows, columns, channels = map_shape(source)
    if isinstance(synapses, SparseSynapses):
        return Reduced((1, 1), _without_coordinates(synapses, source, target))
    if isinstance(synapses, ConvSynapses):
        convolution = _convolution(synapses, target)
    else:
        convolution = _as_convolution(synapses.weight, (channels, rows, columns), target)
    pool, pooled = _without_pooling(convolution)
    size = (math.ceil(rows / pool[0]), math.ceil(columns / pool[1]))
    tight = _with_tight_padding(pooled, size)
    if _is_identity(tight, size):
        return Reduced(pool, Identity(tight.weight.reshape(-1)))
    if _is_cheaper_as_matrix(tight, size):
        return Reduced(pool, Matrix(_unrolled(tight, size)))
    return Reduced(pool, tight)


def _without_coordinates(synapses: SparseSynapses, source: Shape, target: Shape) -> Entries | Matrix:
    """Entries in the order of maps, or the matrix where it is filled enough to be multiplied sooner."""
    sources, targets = math.prod(source), math.prod(target)
    from_place, to_place = (_places(shape)[at] for shape, at in ((source, synapses.source), (target, synapses.target)))
    if synapses.weight.size * _FILLED < sources * targets:
        order = np.lexsort((from_place, to_place))
        return Entries(synapses.weight[order], from_place[order], to_place[order], targets)
    matrix = np.zeros((targets, sources), dtype=np.int64)
    matrix[to_place, from_place] = synapses.weight
    return Matrix(matrix)


def _places(shape: Shape) -> IntArray:
    """Place in (H, W, C) order of each neuron in the program's order."""
    height, width, channels = map_shape(shape)
    return np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()


def _convolution(synapses: ConvSynapses, target: Shape) -> MapConvolution:
    return MapConvolution(synapses.weight, synapses.geometry, (target[1], target[2]))


def _as_convolution(weight: Weights, source: tuple[int, int, int], target: Shape) -> MapConvolution:
    """A kernel as large as the map; its outputs are the target's neurons in (H, W, C) order."""
    rows, columns, channels = map_shape(target)
    by_place = weight.reshape(channels, rows * columns, -1).transpose(1, 0, 2)
    # The kernel has one place to be, so its stride is free; this one leaves pooling of any size to be found.
    stride = ConvGeometry(stride=source[1:])
    return MapConvolution(by_place.reshape(-1, *source), stride, (1, 1))


def _without_pooling(convolution: MapConvolution) -> tuple[tuple[int, int], MapConvolution]:
    weight, geometry = convolution.weight, convolution.geometry
    pool = pool_of_kernel(weight, geometry)
    if pool == (1, 1):
        return pool, replace(convolution, weight=weight.astype(np.int64, copy=False))
    top, left, bottom, right = geometry.padding
    coarse = replace(
        geometry,
        stride=(geometry.stride[0] // pool[0], geometry.stride[1] // pool[1]),
        padding=(top // pool[0], left // pool[1], bottom, right),
    )
    kept = np.ascontiguousarray(weight[:, :, :: pool[0], :: pool[1]], dtype=np.int64)
    return pool, replace(convolution, weight=kept, geometry=coarse)


def _with_tight_padding(convolution: MapConvolution, size: tuple[int, int]) -> MapConvolution:
    geometry = convolution.geometry
    below, right = (
        (convolution.output[axis] - 1) * geometry.stride[axis]
        + (convolution.weight.shape[2 + axis] - 1) * geometry.dilation[axis]
        + 1
        - size[axis]
        - geometry.padding[axis]
        for axis in (0, 1)
    )
    return replace(convolution, geometry=replace(geometry, padding=(*geometry.padding[:2], below, right)))


def _is_identity(convolution: MapConvolution, size: tuple[int, int]) -> bool:
    outputs, inputs, rows, columns = convolution.weight.shape
    geometry = convolution.geometry
    alone = inputs == rows == columns == 1 and outputs == geometry.groups
    return alone and geometry.padding == (0, 0, 0, 0) and convolution.output == size and geometry.stride == (1, 1)


def _is_cheaper_as_matrix(convolution: MapConvolution, size: tuple[int, int]) -> bool:
    """Whether a matrix multiplies less: at the border of a small map most of the kernel reads padding."""
    positions, taps = math.prod(size), math.prod(convolution.weight.shape[2:])
    covers_all = positions == taps and convolution.output == (1, 1)
    return convolution.geometry.groups == 1 and (positions < taps or covers_all)


def _unrolled(convolution: MapConvolution, size: tuple[int, int]) -> IntArray:
    weight, geometry = convolution.weight, convolution.geometry
    outputs, inputs, *kernel = weight.shape
    if convolution.output == (1, 1) and tuple(kernel) == size and geometry.padding == (0, 0, 0, 0):
        return weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    matrix = np.zeros((*convolution.output, outputs, *size, inputs), dtype=np.int64)
    for place in np.ndindex(*convolution.output):
        for tap in np.ndindex(*kernel):
            row, column = (
                place[axis] * geometry.stride[axis] + tap[axis] * geometry.dilation[axis] - geometry.padding[axis]
                for axis in (0, 1)
            )
            if 0 <= row < size[0] and 0 <= column < size[1]:
                matrix[place[0], place[1], :, row, column, :] = weight[:, :, tap[0], tap[1]]
    return matrix.reshape(math.prod(convolution.output) * outputs, -1)
