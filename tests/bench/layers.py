"""A program as the peers would be given it: layers of integrate-and-fire neurons, pools beside small kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikec.runtime.program import ConvSynapses, IntArray, Program, Projection, Shape
from spikec.runtime.program.geometry import ConvGeometry

POOLS = (8, 4, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """Input of a layer from ``source``: sums over ``pool`` x ``pool`` windows, then ``weight``.

    ``weight`` is (O, I/groups, rows, columns) with a geometry, or (targets, sources), or, where ``is_scale``, a factor
    per channel (C, 1, 1).
    """

    source: str
    weight: IntArray
    geometry: ConvGeometry | None = None
    pool: int = 1
    is_scale: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Neurons with one threshold (None: a read-out that sums), ``initial`` and ``bias`` broadcasting to ``shape``."""

    name: str
    shape: Shape
    threshold: int | None
    initial: IntArray
    bias: IntArray
    incoming: tuple[Connection, ...]


def layers_of(program: Program) -> tuple[Layer, ...]:
    """The layers of a pipelined program with one threshold per population, equal to it in every spike count.

    ValueError for gates, pulses and several thresholds, which the peers' neurons do not have.
    """
    if program.pulses or any(p.gated for p in program.populations):
        raise ValueError("the peers have no gates and no pulses: compile with the schedule 'pipelined'")
    found = []
    for population in program.populations:
        thresholds = set() if population.threshold is None else set(np.unique(population.threshold).tolist())
        if len(thresholds) > 1:
            raise ValueError(f"{population.name} has {len(thresholds)} thresholds, the peers' layers have one")
        incoming = tuple(_connection(program, p) for p in program.incoming(population.name))
        found.append(
            Layer(
                population.name,
                population.shape,
                thresholds.pop() if thresholds else None,
                population.initial_potential,
                population.bias,
                incoming,
            )
        )
    return tuple(found)


def _connection(program: Program, projection: Projection) -> Connection:
    weight = projection.effective_weight
    if not isinstance(projection.synapses, ConvSynapses):
        return Connection(projection.source, weight)
    size = program.source_shape(projection)[1:]
    geometry = _symmetric(projection.synapses.geometry, size, weight)
    if weight.shape[1:] == (1, 1, 1) and geometry == ConvGeometry(groups=len(weight)):
        return Connection(projection.source, weight.reshape(-1, 1, 1), is_scale=True)
    for pool in POOLS:
        if (unfolded := _unfolded(weight, geometry, size, pool)) is not None:
            return Connection(projection.source, *unfolded, pool=pool)
    return Connection(projection.source, weight, geometry)


def _symmetric(geometry: ConvGeometry, size: tuple[int, ...], weight: IntArray) -> ConvGeometry:
    """Equal padding on both sides where it gives as many outputs: what is added at the end is not read."""
    top, left, _, _ = geometry.padding
    even = ConvGeometry(geometry.stride, (top, left, top, left), geometry.dilation, geometry.groups)
    kernel = (weight.shape[2], weight.shape[3])
    rows_and_columns = (size[0], size[1])
    keeps = even.output_size(rows_and_columns, kernel) == geometry.output_size(rows_and_columns, kernel)
    return even if keeps and min(top, left) >= 0 else geometry


def _unfolded(
    weight: IntArray, geometry: ConvGeometry, size: tuple[int, ...], pool: int
) -> tuple[IntArray, ConvGeometry] | None:
    """The kernel behind a pool of which ``weight`` is the composition, or None where it is none."""
    divisible = (*weight.shape[2:], *geometry.stride, *geometry.padding, *size)
    if geometry.dilation != (1, 1) or any(number % pool for number in divisible):
        return None
    small = weight[:, :, ::pool, ::pool]
    if not np.array_equal(np.kron(small, np.ones((1, 1, pool, pool), dtype=weight.dtype)), weight):
        return None
    top, left, bottom, right = (number // pool for number in geometry.padding)
    stride = (geometry.stride[0] // pool, geometry.stride[1] // pool)
    return small, ConvGeometry(stride, (top, left, bottom, right), (1, 1), geometry.groups)
