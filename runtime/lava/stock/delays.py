"""Projections that wait, as synapses with coordinates: the form in which Lava's synapses have delays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...program import ConvSynapses, DenseSynapses, IntArray, Program, Projection, Shape, SparseSynapses


def synapses_of(program: Program, projection: Projection) -> int:
    """Synapses of ``projection`` with coordinates; those of a convolution that read padding are counted too."""
    weights = int(np.count_nonzero(projection.synapses.weight))
    if not isinstance(projection.synapses, ConvSynapses):
        return weights
    _, rows, columns = program.population(projection.target).shape
    return weights * rows * columns


def with_coordinates(program: Program, projection: Projection) -> Projection:
    """``projection`` with ``SparseSynapses`` that do the same."""
    match projection.synapses:
        case SparseSynapses():
            return projection
        case DenseSynapses(weight):
            return replace(projection, synapses=SparseSynapses.of_matrix(weight))
        case ConvSynapses():
            shapes = program.source_shape(projection), program.population(projection.target).shape
            return replace(projection, synapses=_of_convolution(projection.synapses, *shapes))


def _of_convolution(synapses: ConvSynapses, source: Shape, target: Shape) -> SparseSynapses:
    geometry, weight = synapses.geometry, synapses.weight
    output, channel, row, column = (index[:, None] for index in np.nonzero(weight))
    channel = channel + output // (len(weight) // geometry.groups) * weight.shape[1]
    rows, columns = (grid.reshape(1, -1) for grid in np.indices(target[1:]))
    read_rows = rows * geometry.stride[0] + row * geometry.dilation[0] - geometry.padding[0]
    read_columns = columns * geometry.stride[1] + column * geometry.dilation[1] - geometry.padding[1]
    inside = (read_rows >= 0) & (read_rows < source[1]) & (read_columns >= 0) & (read_columns < source[2])
    sources = _flat((channel, read_rows, read_columns), source)[inside]
    targets = _flat((output, rows, columns), target)[inside]
    values = np.broadcast_to(weight[np.nonzero(weight)][:, None], inside.shape)[inside]
    order = np.lexsort((sources, targets))
    return SparseSynapses(values[order].astype(np.int64), sources[order], targets[order])


def _flat(place: tuple[IntArray, ...], shape: Shape) -> IntArray:
    channel, row, column = np.broadcast_arrays(*place)
    return np.asarray((channel * shape[1] + row) * shape[2] + column)
