"""Who reads whom in a sparse projection: every synapse by itself, because no product of axes describes it."""

from __future__ import annotations

import numpy as np

from ...runtime.program import IntArray, Projection, SparseSynapses
from ...targets.records import dataclass
from .boxes import Map, Sizes, most_in_boxes


@dataclass(frozen=True, slots=True, eq=False)
class SparseConnectivity:
    """Synapses of one projection; ``source_neuron`` (n,) of each, counted in C order, and its target's place.

    ``channel``, ``row`` and ``column`` (n,) are places in the target's map.
    """

    projection: Projection
    source: Map
    target: Map
    source_neuron: IntArray
    channel: IntArray
    row: IntArray
    column: IntArray

    @property
    def synapses(self) -> int:
        """Synapses of the whole layer."""
        return len(self.source_neuron)

    @property
    def stored_once(self) -> int:
        """Weights to store: none is shared."""
        return self.synapses

    def axons(self, sizes: Sizes) -> IntArray:
        """Most sources that a box of target neurons reads together, for each combination of box sizes."""
        most = np.zeros(tuple(map(len, sizes)), dtype=np.int64)
        if not self.synapses:
            return most
        if np.bincount(self.source_neuron).max() == 1:
            return self.box_synapses(sizes)
        cells = self.source_neuron, self.channel, self.row, self.column
        for k, width in enumerate(sizes[2]):
            by_column = _distinct(cells[0], cells[1], cells[2], cells[3] // width)
            for j, height in enumerate(sizes[1]):
                by_row = _distinct(by_column[0], by_column[1], by_column[2] // height, by_column[3])
                for i, depth in enumerate(sizes[0]):
                    boxes = _distinct(by_row[0], by_row[1] // depth, by_row[2], by_row[3])
                    most[i, j, k] = np.bincount(_places(self.target, *boxes[1:])).max()
        return most

    def box_synapses(self, sizes: Sizes) -> IntArray:
        """Most synapses of a box of target neurons, for each combination of box sizes."""
        places = _places(self.target, self.channel, self.row, self.column)
        fan_in = np.bincount(places, minlength=int(np.prod(self.target)))
        return most_in_boxes(fan_in.reshape(self.target), sizes)

    def readers(self, tile: Map) -> IntArray:
        """Boxes of ``tile`` target neurons that read each source neuron, (C, H, W)."""
        boxes = (place // size for place, size in zip((self.channel, self.row, self.column), tile, strict=True))
        source, *_ = _distinct(self.source_neuron, *boxes)
        return np.bincount(source, minlength=int(np.prod(self.source))).reshape(self.source)

    def lists_of_boxes(self, tile: Map) -> tuple[IntArray, ...]:
        """Synapses into each box of ``tile`` target neurons from each source that has some, boxes in C order."""
        counts = tuple(-(-length // size) for length, size in zip(self.target, tile, strict=True))
        places = (place // size for place, size in zip((self.channel, self.row, self.column), tile, strict=True))
        box = np.ravel_multi_index(tuple(places), counts)
        key, entries = np.unique(box * int(np.prod(self.source)) + self.source_neuron, return_counts=True)
        ends = np.searchsorted(key // int(np.prod(self.source)), np.arange(1, int(np.prod(counts))))
        return tuple(np.split(entries, ends))


def sparse_connectivity(
    projection: Projection, synapses: SparseSynapses, source: Map, target: Map
) -> SparseConnectivity:
    """Synapses of ``projection`` between maps."""
    channel, row, column = np.unravel_index(synapses.target, target)
    return SparseConnectivity(projection, source, target, synapses.source, channel, row, column)


def _places(target: Map, channel: IntArray, row: IntArray, column: IntArray) -> IntArray:
    return np.asarray((channel * target[1] + row) * target[2] + column)


def _distinct(*coordinates: IntArray) -> tuple[IntArray, ...]:
    """Each combination of coordinates once."""
    extents = [int(each.max(initial=0)) + 1 for each in coordinates]
    keys = np.unique(np.ravel_multi_index(coordinates, extents))
    return np.unravel_index(keys, extents)
