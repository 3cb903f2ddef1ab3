"""Who reads whom in a projection, as a product of one relation per axis of the maps.

A convolution connects target (o, y, x) with source (i, v, u) when o reads channel i, y reads row v and x reads
column u. All-to-all synapses are the same with one row and one column per channel. So what a box of target neurons
needs is a product of three small tables, whatever the size of the layer.
"""

from __future__ import annotations

import numpy as np

from ...runtime.program import ConvSynapses, IntArray, Projection, Shape, SparseSynapses
from ...targets.records import dataclass
from .boxes import BoolArray, Map, Readers, Sizes, boxes_reading, most_of, most_sources, product
from .coordinates import SparseConnectivity, sparse_connectivity


@dataclass(frozen=True, slots=True, eq=False)
class Connectivity:
    """Relations of one projection, per axis (channels, rows, columns) of the target's map.

    ``reads[axis]`` (targets, sources) says which source indices a target index reads. The kernel is taken as full;
    only channels without any non-zero weight are left out. ``source`` is the source's map; with ``flat_source``
    the channel relation runs over all source neurons and the other two have a single source.
    ``kernel`` (C, KR, KC) counts the non-zero weights of each target channel per kernel position, ``row_reads``
    (H, KR) and ``column_reads`` (W, KC) which positions lie inside the source's map. ``dense_weights`` is the number
    of weights of one target neuron if all are stored without an index, None for a convolution.
    """

    projection: Projection
    source: Map
    flat_source: bool
    reads: tuple[BoolArray, BoolArray, BoolArray]
    kernel: IntArray
    row_reads: BoolArray
    column_reads: BoolArray
    dense_weights: int | None

    @property
    def synapses(self) -> int:
        """Synapses of the whole layer with every kernel unrolled; zero weights need none."""
        rows = self.row_reads.sum(axis=0, dtype=np.int64)
        columns = self.column_reads.sum(axis=0, dtype=np.int64)
        return int(np.einsum("okl,k,l->", self.kernel, rows, columns))

    @property
    def shared_weights(self) -> int:
        """Non-zero weights with every kernel stored once."""
        return int(np.count_nonzero(self.projection.synapses.weight))

    def axons(self, sizes: Sizes) -> IntArray:
        """Most sources that a box of target neurons reads together, for each combination of box sizes."""
        return product(*(most_sources(r, s) for r, s in zip(self.reads, sizes, strict=True)))

    def box_synapses(self, sizes: Sizes) -> IntArray:
        """Most synapses of a box of target neurons with every kernel unrolled, for each combination of box sizes."""
        kernel = most_of(self.kernel, sizes[0])
        rows = most_of(self.row_reads.astype(np.int64), sizes[1])
        columns = most_of(self.column_reads.astype(np.int64), sizes[2])
        return np.asarray(np.einsum("akl,bk,cl->abc", kernel, rows, columns))

    def readers(self, tile: Map) -> Readers:
        """Boxes of ``tile`` target neurons that read each source neuron."""
        channels, rows, columns = (boxes_reading(reads, size) for reads, size in zip(self.reads, tile, strict=True))
        if not self.flat_source:
            return channels, rows, columns
        per_channel = channels.reshape(self.source[0], -1).max(axis=1)
        return per_channel, np.repeat(rows, self.source[1]), np.repeat(columns, self.source[2])


def as_map(shape: Shape) -> Map:
    """(channels, rows, columns) of a population; anything but three axes counts as channels alone."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (int(np.prod(shape)), 1, 1)


def connectivity(projection: Projection, source_shape: Shape, target_shape: Shape) -> Connectivity | SparseConnectivity:
    """Relations of ``projection`` between populations of the given shapes."""
    source, target = as_map(source_shape), as_map(target_shape)
    synapses = projection.synapses
    if isinstance(synapses, ConvSynapses):
        return _convolution(projection, synapses, source, target)
    if isinstance(synapses, SparseSynapses):
        return sparse_connectivity(projection, synapses, source, target)
    return _all_to_all(projection, synapses.weight, source, target)


def _convolution(projection: Projection, synapses: ConvSynapses, source: Map, target: Map) -> Connectivity:
    weight, geometry = synapses.weight, synapses.geometry
    row_positions, row_reads = _positions(0, weight.shape[2], synapses, source[1], target[1])
    column_positions, column_reads = _positions(1, weight.shape[3], synapses, source[2], target[2])
    nonzero = weight != 0
    outputs, inputs = weight.shape[:2]
    first_input = np.arange(outputs) // (outputs // geometry.groups) * inputs
    channels = np.zeros((outputs, source[0]), dtype=bool)
    channels[np.arange(outputs)[:, None], first_input[:, None] + np.arange(inputs)] = nonzero.any(axis=(2, 3))
    return Connectivity(
        projection=projection,
        source=source,
        flat_source=False,
        reads=(
            channels,
            _relation(row_positions, row_reads, source[1]),
            _relation(column_positions, column_reads, source[2]),
        ),
        kernel=nonzero.sum(axis=1, dtype=np.int64),
        row_reads=row_reads,
        column_reads=column_reads,
        dense_weights=None,
    )


def _positions(axis: int, kernel: int, synapses: ConvSynapses, source: int, target: int) -> tuple[IntArray, BoolArray]:
    geometry = synapses.geometry
    starts = np.arange(target) * geometry.stride[axis] - geometry.padding[axis]
    positions = starts[:, None] + np.arange(kernel) * geometry.dilation[axis]
    return positions, (positions >= 0) & (positions < source)


def _relation(positions: IntArray, inside: BoolArray, source: int) -> BoolArray:
    relation = np.zeros((len(positions), source), dtype=bool)
    targets = np.broadcast_to(np.arange(len(positions))[:, None], positions.shape)
    relation[targets[inside], positions[inside]] = True
    return relation


def _all_to_all(projection: Projection, weight: IntArray, source: Map, target: Map) -> Connectivity:
    channels, rows, columns = target
    per_channel = (weight != 0).reshape(channels, rows * columns, -1)
    most = per_channel.sum(axis=2, dtype=np.int64).max(axis=1)
    return Connectivity(
        projection=projection,
        source=source,
        flat_source=True,
        reads=(per_channel.any(axis=1), np.ones((rows, 1), dtype=bool), np.ones((columns, 1), dtype=bool)),
        kernel=most[:, None, None],
        row_reads=np.ones((rows, 1), dtype=bool),
        column_reads=np.ones((columns, 1), dtype=bool),
        dense_weights=weight.shape[1],
    )
