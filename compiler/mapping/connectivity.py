"""Who reads whom in a projection, as a product of one relation per axis of the maps.

A convolution connects target (o, y, x) with source (i, v, u) when o reads channel i, y reads row v and x reads
column u. All-to-all synapses are the same with one row and one column per channel. So what a box of target neurons
needs is a product of three small tables, whatever the size of the layer.
"""

from __future__ import annotations

import numpy as np

from ...runtime.program import ConvSynapses, IntArray, Projection, Shape, SparseSynapses
from ...runtime.program.folded_pooling import pool_of_kernel, pool_of_matrix
from ...runtime.program.geometry import ConvGeometry
from ...targets.records import dataclass
from .axes import Axis
from .boxes import BoolArray, Map, Sizes, most_of, most_sources, product
from .coordinates import SparseConnectivity, sparse_connectivity


@dataclass(frozen=True, slots=True, eq=False)
class Connectivity:
    """Relations of one projection, per axis (channels, rows, columns) of the target's map.

    Source neurons that reach every target by one weight can send to one input axon: ``pool`` (rows, columns) of them
    make a cell, and what is read are cells. ``source`` is the source's map in cells. ``reads[axis]`` (targets, cells)
    says which cells a target index reads. The kernel is taken as full; only channels without any non-zero weight are
    left out. With ``flat_source`` the channel relation runs over all cells and the other two have a single one.
    ``kernel`` (C, KR, KC) counts the non-zero weights of each target channel per kernel position, ``row_reads``
    (H, KR) and ``column_reads`` (W, KC) which positions lie inside the source's map. ``axes`` are the rows and the
    columns of a convolution, None otherwise. ``weight`` are the weights between cells, in the form of the projection's;
    ``synapses`` and ``stored_once`` count the projection's own, unrolled and as stored; zero weights need none.
    """

    projection: Projection
    pool: tuple[int, int]
    source: Map
    flat_source: bool
    reads: tuple[BoolArray, BoolArray, BoolArray]
    kernel: IntArray
    row_reads: BoolArray
    column_reads: BoolArray
    weight: IntArray
    synapses: int
    stored_once: int
    axes: tuple[Axis, Axis] | None = None

    @property
    def all_channels(self) -> bool:
        """Whether every target channel reads every source channel."""
        return bool(self.reads[0].all())

    def axons(self, sizes: Sizes) -> IntArray:
        """Most sources that a box of target neurons reads together, for each combination of box sizes."""
        return product(*(most_sources(r, s) for r, s in zip(self.reads, sizes, strict=True)))

    def box_synapses(self, sizes: Sizes) -> IntArray:
        """Most synapses of a box of target neurons with every kernel unrolled, for each combination of box sizes."""
        kernel = most_of(self.kernel, sizes[0])
        rows = most_of(self.row_reads.astype(np.int64), sizes[1])
        columns = most_of(self.column_reads.astype(np.int64), sizes[2])
        return np.asarray(np.einsum("akl,bk,cl->abc", kernel, rows, columns))


def as_map(shape: Shape) -> Map:
    """(channels, rows, columns) of a population; anything but three axes counts as channels alone."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (int(np.prod(shape)), 1, 1)


def connectivity(
    projection: Projection, source_shape: Shape, target_shape: Shape, *, shared_axons: bool = False
) -> Connectivity | SparseConnectivity:
    """Relations of ``projection`` between populations of the given shapes.

    With ``shared_axons`` source neurons that reach every target by one weight, as those of a folded pool do, are cells.
    """
    source, target = as_map(source_shape), as_map(target_shape)
    synapses = projection.synapses
    if isinstance(synapses, ConvSynapses):
        return _convolution(projection, synapses, source, target, shared_axons)
    if isinstance(synapses, SparseSynapses):
        return sparse_connectivity(projection, synapses, source, target)
    return _all_to_all(projection, synapses.weight, source, target, shared_axons)


def _convolution(
    projection: Projection, synapses: ConvSynapses, source: Map, target: Map, shared_axons: bool
) -> Connectivity:
    geometry = synapses.geometry
    whole = _axes(synapses.weight, geometry, source, target, (1, 1))
    pool = pool_of_kernel(synapses.weight, geometry) if shared_axons else (1, 1)
    weight = synapses.weight[:, :, :: pool[0], :: pool[1]]
    axes = _axes(weight, geometry, source, target, pool)
    nonzero = weight != 0
    outputs, inputs = weight.shape[:2]
    first_input = np.arange(outputs) // (outputs // geometry.groups) * inputs
    channels = np.zeros((outputs, source[0]), dtype=bool)
    channels[np.arange(outputs)[:, None], first_input[:, None] + np.arange(inputs)] = nonzero.any(axis=(2, 3))
    taps = (axis.inside.sum(axis=0, dtype=np.int64) for axis in whole)
    return Connectivity(
        projection=projection,
        pool=pool,
        source=(source[0], axes[0].sources, axes[1].sources),
        flat_source=False,
        reads=(channels, axes[0].reads, axes[1].reads),
        kernel=nonzero.sum(axis=1, dtype=np.int64),
        row_reads=axes[0].inside,
        column_reads=axes[1].inside,
        weight=weight,
        synapses=int(np.einsum("kl,k,l->", (synapses.weight != 0).sum(axis=(0, 1), dtype=np.int64), *taps)),
        stored_once=int(np.count_nonzero(synapses.weight)),
        axes=axes,
    )


def _axes(
    weight: IntArray, geometry: ConvGeometry, source: Map, target: Map, pool: tuple[int, int]
) -> tuple[Axis, Axis]:
    rows, columns = (
        Axis(
            sources=-(-source[n + 1] // pool[n]),
            targets=target[n + 1],
            kernel=weight.shape[n + 2],
            stride=geometry.stride[n] // pool[n],
            dilation=geometry.dilation[n],
            padding=geometry.padding[n] // pool[n],
        )
        for n in (0, 1)
    )
    return rows, columns


def _all_to_all(projection: Projection, weight: IntArray, source: Map, target: Map, shared_axons: bool) -> Connectivity:
    channels, rows, columns = target
    by_cell = weight.reshape(len(weight), *source)
    pool = (1, 1)
    if shared_axons:
        pool = pool_of_matrix(by_cell)
        by_cell = by_cell[:, :, :: pool[0], :: pool[1]]
    per_channel = (by_cell != 0).reshape(channels, rows * columns, -1)
    most = per_channel.sum(axis=2, dtype=np.int64).max(axis=1)
    everything = int(np.count_nonzero(weight))
    return Connectivity(
        projection=projection,
        pool=pool,
        source=(source[0], source[1] // pool[0], source[2] // pool[1]),
        flat_source=True,
        reads=(per_channel.any(axis=1), np.ones((rows, 1), dtype=bool), np.ones((columns, 1), dtype=bool)),
        kernel=most[:, None, None],
        row_reads=np.ones((rows, 1), dtype=bool),
        column_reads=np.ones((columns, 1), dtype=bool),
        weight=by_cell.reshape(len(weight), -1),
        synapses=everything,
        stored_once=everything,
    )
