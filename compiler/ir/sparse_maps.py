"""Algebra of linear maps by their coordinates: what convolutions, layouts and each other make of them.

Sums of products are added one after the other in the order of the coordinates, so they are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.program import IntArray
from ...runtime.program.geometry import ConvGeometry
from ...runtime.simulator.sparse import SparseMatrix
from .operators import FloatArray, Shape
from .spiking import ConvMap, SparseMap

MATRIX_ENTRIES_LIMIT = 1 << 27
"""Largest explicit matrix (1 GiB of doubles) that a composition may create."""

SPARSE_ENTRIES_LIMIT = 1 << 25
"""Most weights with coordinates (800 MB), or products on the way to them, that a composition may make."""


class TooLargeMap(Exception):  # noqa: N818 - says what is wrong, and is answered by a diagnostic
    """An explicit map would need ``entries`` entries, more than ``limit``."""

    def __init__(self, entries: int, limit: int) -> None:
        super().__init__(f"{entries} entries")
        self.entries = entries
        self.limit = limit


def sparse_map(weight: FloatArray, source: IntArray, target: IntArray, sources: int) -> SparseMap:
    """Weights at coordinates in any order; those at the same place are summed, and zeros left out."""
    places = target * sources + source
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    is_first = np.diff(ordered, prepend=-1) > 0
    summed = np.bincount(np.cumsum(is_first) - 1, weight[order]) if len(order) else np.zeros(0)
    kept = ordered[is_first][summed != 0]
    return SparseMap(summed[summed != 0], kept % sources, kept // sources)


def sparse_identity(size: int, gain: float = 1.0) -> SparseMap:
    """Each neuron onto the one at its place, times ``gain``."""
    return SparseMap(np.full(size, gain), np.arange(size), np.arange(size))


def sparse_from_matrix(matrix: FloatArray) -> SparseMap:
    """Entries of ``matrix`` (targets, sources) other than 0."""
    target, source = np.nonzero(matrix)
    return SparseMap(matrix[target, source], source, target)


def to_matrix(entries: SparseMap, targets: int, sources: int) -> FloatArray:
    """The map as a matrix (targets, sources)."""
    matrix = np.zeros((targets, sources))
    matrix[entries.target, entries.source] = entries.weight
    return matrix


def sparse_convolution(conv: ConvMap, source: Shape) -> SparseMap:
    """Every synapse of a convolution of a map of shape ``source``; those into the padding are left out."""
    kernel = conv.weight.shape[2:]
    rows, columns = conv.geometry.output_size((source[1], source[2]), (kernel[0], kernel[1]))
    refuse_too_many(np.count_nonzero(conv.weight) * rows * columns)
    entries = _entries_by_place if rows * columns < kernel[0] * kernel[1] else _entries_by_tap
    weights, origins, targets = (
        np.concatenate(part) for part in zip(*entries(conv, source, (rows, columns)), strict=True)
    )
    return sparse_map(weights, origins, targets, int(np.prod(source)))


Entries = tuple[FloatArray, IntArray, IntArray]
"""Weights, sources and targets."""


def _entries_by_tap(conv: ConvMap, source: Shape, size: tuple[int, int]) -> Iterator[Entries]:
    outputs, inputs, *kernel = conv.weight.shape
    for place in np.ndindex(*kernel):
        weight = conv.weight[:, :, place[0], place[1]]
        output, within = np.nonzero(weight)
        channel = output // (outputs // conv.geometry.groups) * inputs + within
        (row, read_row), (column, read_column) = (
            _reads(conv, axis, place[axis], size[axis], source[1 + axis]) for axis in (0, 1)
        )
        target = (output[:, None, None] * size[0] + row[:, None]) * size[1] + column
        origin = (channel[:, None, None] * source[1] + read_row[:, None]) * source[2] + read_column
        spread = np.broadcast_to(weight[output, within][:, None, None], target.shape)
        yield spread.ravel(), origin.ravel(), target.ravel()


def _entries_by_place(conv: ConvMap, source: Shape, size: tuple[int, int]) -> Iterator[Entries]:
    geometry, (outputs, inputs, *_) = conv.geometry, conv.weight.shape
    output, within, *taps = np.nonzero(conv.weight)
    weight = conv.weight[output, within, taps[0], taps[1]]
    channel = output // (outputs // geometry.groups) * inputs + within
    for place in np.ndindex(*size):
        row, column = (
            place[a] * geometry.stride[a] + taps[a] * geometry.dilation[a] - geometry.padding[a] for a in (0, 1)
        )
        inside = (row >= 0) & (row < source[1]) & (column >= 0) & (column < source[2])
        origin = (channel * source[1] + row) * source[2] + column
        target = (output * size[0] + place[0]) * size[1] + place[1]
        yield weight[inside], origin[inside], target[inside]


def _reads(conv: ConvMap, axis: int, tap: int, size: int, source: int) -> tuple[IntArray, IntArray]:
    """Target indices along ``axis`` whose kernel has its entry ``tap`` inside the source, and where it is there."""
    geometry = conv.geometry
    place = np.arange(size) * geometry.stride[axis] + tap * geometry.dilation[axis] - geometry.padding[axis]
    inside = (place >= 0) & (place < source)
    return np.flatnonzero(inside), place[inside]


def channel_convolution(entries: SparseMap, before: Shape, shape: Shape) -> ConvMap | None:
    """The map as a 1x1 convolution, where it does the same to every pixel and pixels keep their places; else None."""
    if not (len(before) == len(shape) == 3 and before[1:] == shape[1:]) or shape[0] * before[0] > SPARSE_ENTRIES_LIMIT:
        return None
    area = shape[1] * shape[2]
    output, pixel = np.divmod(entries.target, area)
    channel, origin = np.divmod(entries.source, area)
    weight = np.zeros((shape[0], before[0]))
    first = pixel == 0
    weight[output[first], channel[first]] = entries.weight[first]
    is_whole = len(entries.weight) == area * np.count_nonzero(first)
    if not is_whole or (pixel != origin).any() or (weight[output, channel] != entries.weight).any():
        return None
    return ConvMap(weight[:, :, None, None], ConvGeometry())


def moved(entries: SparseMap, order: IntArray, sources: int) -> SparseMap:
    """The map whose entry j is entry ``order[j]``, a permutation, of the given one."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return sparse_map(entries.weight, entries.source, places[entries.target], sources)


def sparse_product(after: SparseMap, first: SparseMap, sources: int) -> SparseMap:
    """``first``, from ``sources`` neurons, and then ``after``."""
    begin = np.searchsorted(first.target, after.source)
    fan_in = np.searchsorted(first.target, after.source, side="right") - begin
    refuse_too_many(int(fan_in.sum(dtype=np.int64)))
    taken = np.repeat(np.arange(len(fan_in)), fan_in)
    entry = np.arange(len(taken)) - np.repeat(np.cumsum(fan_in) - fan_in - begin, fan_in)
    return sparse_map(after.weight[taken] * first.weight[entry], first.source[entry], after.target[taken], sources)


def matrix_after_sparse(matrix: FloatArray, first: SparseMap, sources: int) -> FloatArray:
    """``matrix`` (outputs, middle) times ``first`` from ``sources`` neurons, (outputs, sources)."""
    order = np.lexsort((first.target, first.source))
    columns = SparseMatrix(first.weight[order], first.target[order], first.source[order], sources)
    return np.asarray(columns.multiply(matrix))


def sparse_after_matrix(after: SparseMap, matrix: FloatArray, targets: int) -> FloatArray:
    """``matrix`` (middle, sources) and then ``after`` onto ``targets`` neurons, (targets, sources)."""
    rows = SparseMatrix(after.weight, after.source, after.target, targets)
    return np.ascontiguousarray(rows.multiply(matrix.T).T)


def sum_of_sparse(maps: list[SparseMap], sources: int) -> SparseMap:
    """The sum of ``maps`` from ``sources`` neurons."""
    weight, source, target = (
        np.concatenate(parts) for parts in zip(*((m.weight, m.source, m.target) for m in maps), strict=True)
    )
    return sparse_map(weight, source, target, sources)


def refuse_too_many(entries: int) -> None:
    """Raise ``TooLargeMap`` for more than ``SPARSE_ENTRIES_LIMIT`` weights with coordinates."""
    if entries > SPARSE_ENTRIES_LIMIT:
        raise TooLargeMap(entries, SPARSE_ENTRIES_LIMIT)


def refuse_if_too_large(rows: int, columns: int) -> None:
    """Raise ``TooLargeMap`` for a matrix of more entries than ``MATRIX_ENTRIES_LIMIT``."""
    if rows * columns > MATRIX_ENTRIES_LIMIT:
        raise TooLargeMap(rows * columns, MATRIX_ENTRIES_LIMIT)
