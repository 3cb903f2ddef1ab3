"""How many output axons a box of neurons needs for the boxes that read it.

A source neuron (held ``dense`` or ``indexed``) takes one for every box that reads it, a pixel of a population axon one
of ``population_axon_slots`` slots for every box that reads any of its channels.
"""

from __future__ import annotations

import numpy as np

from ...runtime.program import IntArray
from ...targets import Target
from ...targets.records import dataclass
from .box_options import BoxOptions
from .boxes import BoolArray, Map, boxes_reading, most_in_boxes, product, starts
from .coordinates import SparseConnectivity
from .forms import POPULATION, Link


@dataclass(frozen=True, slots=True, eq=False)
class Readers:
    """Boxes of one reader that read a population, whose neurons send by cells of ``pool`` (see ``connectivity``).

    Either ``cells`` (C, H, W) counts, for each cell, the boxes that read it, or they are a product: ``rows`` and
    ``columns`` count the boxes along each axis that read a row or a column of cells, and those along channels are
    ``channels`` (boxes, C), whether one reads a channel. With ``by_pixel`` a cell sends once for all of its channels.
    ``slots`` are the output axons that each message takes.
    """

    pool: tuple[int, int]
    cells: IntArray | None
    channels: BoolArray
    rows: IntArray
    columns: IntArray
    by_pixel: bool
    slots: int

    def most(self, options: BoxOptions) -> IntArray:
        """Most output axons that a box of the source needs, for each of its options."""
        if self.cells is not None:
            return options.by_option(self._most_cells(options)) * self.slots
        channels = self._most_channels(options.channels)
        rows = _most_of_axis(self.rows, options.whole[1], options.rows.sizes, self.pool[0])
        columns = _most_of_axis(self.columns, options.whole[2], options.columns.sizes, self.pool[1])
        return options.by_option(product(channels, rows, columns)) * self.slots

    def of_box(self, channels: slice, rows: slice, columns: slice) -> int:
        """Output axons that one box of the source needs."""
        rows, columns = _in_cells(rows, self.pool[0]), _in_cells(columns, self.pool[1])
        if self.cells is not None:
            return int(self.cells[channels, rows, columns].sum()) * self.slots
        here = self.channels[:, channels]
        along = here.any(axis=1).sum() if self.by_pixel else here.sum()
        return int(along * self.rows[rows].sum() * self.columns[columns].sum()) * self.slots

    def _most_channels(self, sizes: IntArray) -> IntArray:
        if not self.by_pixel:
            return _most_of_axis(self.channels.sum(axis=0), self.channels.shape[1], sizes, 1)
        if self.channels.all():
            return np.full(len(sizes), len(self.channels))
        cuts = (starts(self.channels.shape[1], int(size)) for size in sizes)
        return np.array([np.logical_or.reduceat(self.channels, cut, axis=1).sum(axis=0).max() for cut in cuts])

    def _most_cells(self, options: BoxOptions) -> IntArray:
        assert self.cells is not None
        if self.pool == (1, 1):
            return most_in_boxes(self.cells, options.sizes)
        channels, rows, columns = options.sizes
        most = np.zeros((len(channels), len(rows), len(columns)), dtype=np.int64)
        for k, width in enumerate(columns.tolist()):
            by_column = _sums(self.cells, 2, options.whole[2], width, self.pool[1])
            for j, height in enumerate(rows.tolist()):
                by_row = _sums(by_column, 1, options.whole[1], height, self.pool[0])
                for i, depth in enumerate(channels.tolist()):
                    most[i, j, k] = _sums(by_row, 0, options.whole[0], depth, 1).max()
        return most


def readers(link: Link, tile: Map, form: str, target: Target) -> Readers:
    """Who reads the source of ``link``, whose reader is divided into boxes of ``tile`` and holds it in ``form``."""
    nobody, none = np.zeros((0, 0), dtype=bool), np.zeros(0, dtype=np.int64)
    if isinstance(link, SparseConnectivity):
        return Readers((1, 1), link.readers(tile), nobody, none, none, False, 1)
    rows, columns = (boxes_reading(link.reads[n], tile[n]) for n in (1, 2))
    channels = np.logical_or.reduceat(link.reads[0], starts(len(link.reads[0]), tile[0]), axis=0)
    if link.flat_source:
        cells = channels.sum(axis=0).reshape(link.source) * int(rows[0] * columns[0])
        return Readers(link.pool, cells, nobody, none, none, False, 1)
    slots = target.synapses.population_axon_slots
    by_pixel = form == POPULATION
    return Readers(link.pool, None, channels, rows, columns, by_pixel, slots.value if by_pixel and slots else 1)


def most_messages(sent: tuple[Readers, ...], options: BoxOptions) -> IntArray:
    """Most output axons that a box needs for all of its readers, for each of ``options``."""
    return sum((each.most(options) for each in sent), start=np.zeros(options.places.shape, dtype=np.int64))


def _in_cells(part: slice, cell: int) -> slice:
    """Cells that a range of neurons touches; one that is cut sends from both sides."""
    return slice(part.start // cell, -(-part.stop // cell))


def _most_of_axis(counts: IntArray, length: int, sizes: IntArray, cell: int) -> IntArray:
    return np.array([_sums(counts, 0, length, size, cell).max() for size in sizes.tolist()])


def _sums(counts: IntArray, axis: int, length: int, size: int, cell: int) -> IntArray:
    """Sums over the cells that each run of ``size`` of ``length`` neurons touches along an axis."""
    first = starts(length, size)
    stop = np.minimum(first + size, length)
    before = np.insert(np.cumsum(counts, axis=axis), 0, 0, axis=axis)
    return np.asarray(before.take(-(-stop // cell), axis=axis) - before.take(first // cell, axis=axis))
