"""Every synapse of a projection on its own: where it begins, where it ends, its weight."""

from __future__ import annotations

import numpy as np

from ...targets.records import dataclass
from .program import ConvSynapses, DenseSynapses, IntArray, Program, Projection, SparseSynapses


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Synapses with a weight other than 0, (n,) each: neurons in C order, weights in units of the potential."""

    source: IntArray
    target: IntArray
    weight: IntArray


def entries_of(program: Program, projection: Projection) -> Entries:
    """Unroll ``projection``; a kernel's weight becomes one synapse for each place at which it reads a source neuron."""
    synapses, weight = projection.synapses, projection.effective_weight
    if isinstance(synapses, SparseSynapses):
        return Entries(synapses.source, synapses.target, weight)
    if isinstance(synapses, DenseSynapses):
        target, source = np.nonzero(weight)
        return Entries(source, target, weight[target, source])
    return _of_convolution(
        synapses, weight, program.source_shape(projection), program.population(projection.target).shape
    )


def _of_convolution(
    synapses: ConvSynapses, weight: IntArray, source: tuple[int, ...], target: tuple[int, ...]
) -> Entries:
    geometry = synapses.geometry
    _, inputs, kernel_rows, kernel_columns = weight.shape
    per_group = len(weight) // geometry.groups
    parts = []
    for row, column in np.ndindex(kernel_rows, kernel_columns):
        output, within = np.nonzero(weight[:, :, row, column])
        channel = output // per_group * inputs + within
        target_rows, source_rows = _reads(0, row, source[1], target[1], synapses)
        target_columns, source_columns = _reads(1, column, source[2], target[2], synapses)
        shape = (len(output), len(target_rows), len(target_columns))
        parts.append(
            (
                _flat(channel, source_rows, source_columns, source),
                _flat(output, target_rows, target_columns, target),
                np.broadcast_to(weight[output, within, row, column][:, None, None], shape).ravel(),
            )
        )
    return Entries(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _reads(axis: int, position: int, source: int, target: int, synapses: ConvSynapses) -> tuple[IntArray, IntArray]:
    """Target indices along ``axis`` whose kernel ``position`` lies on a source index, and those source indices."""
    geometry = synapses.geometry
    places = np.arange(target, dtype=np.int64)
    read = places * geometry.stride[axis] - geometry.padding[axis] + position * geometry.dilation[axis]
    inside = (read >= 0) & (read < source)
    return places[inside], read[inside]


def _flat(channels: IntArray, rows: IntArray, columns: IntArray, shape: tuple[int, ...]) -> IntArray:
    places = (channels[:, None, None] * shape[1] + rows[:, None]) * shape[2] + columns
    return np.asarray(places.ravel(), dtype=np.int64)
