"""What one box of neurons takes of its core, list by list."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ...runtime.program import ConvSynapses, IntArray
from ...targets.records import dataclass
from .axes import Axis, Run
from .boxes import Map
from .connectivity import Connectivity
from .forms import DENSE, INDEXED, POPULATION, synapses_per_tap
from .synapse_lists import ListFormat

Ranges = tuple[slice, slice, slice]
"""Channels, rows and columns of a box."""


@dataclass(frozen=True, slots=True)
class Border:
    """Places that never fire before and behind a box's rows and columns."""

    rows: tuple[int, int] = (0, 0)
    columns: tuple[int, int] = (0, 0)

    @property
    def lined(self) -> tuple[bool, bool]:
        """Whether there is a border along rows and along columns."""
        return any(self.rows), any(self.columns)

    def padded(self, ranges: Ranges) -> tuple[int, int]:
        """Rows and columns of places."""
        rows, columns = (each.stop - each.start for each in ranges[1:])
        return rows + sum(self.rows), columns + sum(self.columns)


def neurons_of(ranges: Ranges) -> int:
    """Neurons of a box."""
    return int(np.prod([each.stop - each.start for each in ranges]))


def places_of(ranges: Ranges, border: Border) -> int:
    """Neurons of a box and of its border."""
    rows, columns = border.padded(ranges)
    return int(ranges[0].stop - ranges[0].start) * rows * columns


def boxes_of(whole: Map, tile: Map) -> Iterator[tuple[tuple[int, int, int], Ranges]]:
    """Place and ranges of every box of a map that is divided into boxes of ``tile``, in C order."""
    counts = tuple(-(-length // size) for length, size in zip(whole, tile, strict=True))
    for place in np.ndindex(*counts):
        starts = tuple(n * size for n, size in zip(place, tile, strict=True))
        stops = tuple(min(start + size, length) for start, size, length in zip(starts, tile, whole, strict=True))
        channels, rows, columns = (slice(start, stop) for start, stop in zip(starts, stops, strict=True))
        yield (place[0], place[1], place[2]), (channels, rows, columns)


def alike(link: Connectivity, ranges: Ranges, border: Border) -> tuple[object, ...]:
    """Equal for boxes that need the same for ``link``: of a convolution those that read alike, wherever they lie."""
    if link.axes is None:
        return tuple((each.start, each.stop) for each in ranges)
    sizes = tuple(each.stop - each.start for each in ranges)
    return ranges[0].start, sizes, runs(link, ranges, border), runs(link, ranges, Border())


def input_axons(link: Connectivity, form: str, ranges: Ranges, border: Border) -> int:
    """Input axons of a box for ``link``."""
    if form == POPULATION:
        rows, columns = runs(link, ranges, border)
        return rows.sources * columns.sources
    sources = (int(reads[part].any(axis=0).sum()) for reads, part in zip(link.reads, ranges, strict=True))
    return int(np.prod(list(sources)))


def memory_bits(
    link: Connectivity, form: str, stored: ListFormat, ranges: Ranges, border: Border, shared: int | None, base: int
) -> int:
    """Bits of a box's synapses of ``link``; a list is shifted by less than ``base``.

    The box is alone on its core, or somewhere on one of ``shared`` places.
    """
    if form == POPULATION:
        return _population_bits(link, stored, ranges, border, shared, base)
    index = int(stored.index_bits(places_of(ranges, border) if shared is None else shared))
    if form == DENSE:
        return input_axons(link, form, ranges, border) * stored.bits_of_list(places_of(ranges, border), 0)
    if form == INDEXED:
        return int(stored.list_bits(synapses_of_sources(link, ranges), index).sum())
    weights = link.kernel[ranges[0]].sum()
    lists = min(int(link.reads[0][ranges[0]].any(axis=0).sum()), input_axons(link, form, ranges, border))
    return int(stored.at_most(weights, np.asarray(lists), index))


def runs(link: Connectivity, ranges: Ranges, border: Border) -> tuple[Run, Run]:
    """What the rows and the columns of a box read."""
    assert link.axes is not None, "only a convolution has lists of taps"
    found = (
        _run(axis, part.start, part.stop - part.start, lined)
        for axis, part, lined in zip(link.axes, ranges[1:], border.lined, strict=True)
    )
    rows, columns = found
    return rows, columns


@lru_cache(maxsize=4096)
def _run(axis: Axis, first: int, length: int, border: bool) -> Run:
    return axis.run(first, length, border=border)


def _population_bits(
    link: Connectivity, stored: ListFormat, ranges: Ranges, border: Border, shared: int | None, base: int
) -> int:
    rows, columns = runs(link, ranges, border)
    height, width = border.padded(ranges)
    first_row = (rows.first_target + border.rows[0])[:, None] * width
    shift = (first_row + columns.first_target + border.columns[0]) // base
    in_channel = rows.span[:, None] * width + columns.span + shift * base
    highest = (ranges[0].stop - ranges[0].start - 1) * height * width + int(in_channel.max(initial=0))
    index = int(stored.index_bits(highest + 1 if shared is None else shared))
    (row_lists, row_list), (column_lists, column_list) = rows.lists, columns.lists
    held = np.stack(np.broadcast_arrays(row_list[:, None], column_list, shift), axis=-1).reshape(-1, 3)
    distinct = np.unique(held, axis=0)
    taps = row_lists.sum(axis=1)[distinct[:, 0]] * column_lists.sum(axis=1)[distinct[:, 1]]
    return int(stored.list_bits(taps * synapses_per_tap(link, ranges[0]), index).sum())


def synapses_of_sources(link: Connectivity, ranges: Ranges) -> IntArray:
    """Synapses into a box from each source neuron that may have some (n,)."""
    synapses, nonzero = link.projection.synapses, link.weight != 0
    if not isinstance(synapses, ConvSynapses):
        of_box = nonzero.reshape(*(len(reads) for reads in link.reads), -1)[ranges]
        return np.asarray(of_box.sum(axis=(0, 1, 2), dtype=np.int64))
    groups = synapses.geometry.groups
    each = len(nonzero) // groups
    parts = []
    rows, columns = runs(link, ranges, Border())
    first, stop = int(ranges[0].start), int(ranges[0].stop)
    for group in range(first // each, -(-stop // each)):
        part = slice(max(group * each, first), min((group + 1) * each, stop))
        taps = nonzero[part].sum(axis=0, dtype=np.int64)
        by_row = np.einsum("sk,ikm->ism", rows.used, taps)
        parts.append(np.einsum("ism,tm->ist", by_row, columns.used).ravel())
    return np.concatenate(parts)
