"""Every box of neurons that a core may hold of one population, and what their rows and columns need.

Along rows and columns a box is of one of a few sizes, with or without a border of neurons that never fire (see
``axes``); along channels it has no border. Arrays over (channels, rows, columns) judge every combination at once.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from ...runtime.program import IntArray
from ...targets.records import dataclass
from .axes import Axis
from .boxes import BoolArray, Map, Sizes, product, starts


@dataclass(frozen=True, eq=False)
class AxisOptions:
    """Sizes of boxes along rows or columns: ``sizes`` (n,), each once; option k has size ``sizes[size_of[k]]``.

    ``border`` (k,) says whether the box has a border, of ``lead`` (k,) neurons before it and ``trail`` (k,) behind.
    """

    sizes: IntArray
    size_of: IntArray
    border: BoolArray
    lead: IntArray
    trail: IntArray

    @property
    def length(self) -> IntArray:
        """Neurons of each option, without its border (k,)."""
        return np.asarray(self.sizes[self.size_of])

    @property
    def padded(self) -> IntArray:
        """Neurons of each option, with its border (k,)."""
        return np.asarray(self.length + self.lead + self.trail)


@dataclass(frozen=True, eq=False)
class AxisLists:
    """What a convolution needs along an axis, per option of it.

    ``sources`` (k,) are read by the box that reads most, ``span`` (k,) is the largest of its lists. ``lengths``
    (m, taps + 1) holds, per kind of box, how many lists have 0, 1, .. taps; the kinds of option k start at
    ``first_kind[k]``.
    """

    sources: IntArray
    span: IntArray
    lengths: IntArray
    first_kind: IntArray


@dataclass(frozen=True, eq=False)
class BoxOptions:
    """Boxes of a population of map ``whole``: sizes along ``channels``, and options along ``rows`` and ``columns``."""

    whole: Map
    channels: IntArray
    rows: AxisOptions
    columns: AxisOptions

    @property
    def sizes(self) -> Sizes:
        """Sizes along each axis, each once."""
        return self.channels, self.rows.sizes, self.columns.sizes

    def by_option(self, by_size: IntArray) -> IntArray:
        """Spread an array over sizes (channels, rows, columns) to one over options."""
        return by_size[:, self.rows.size_of][:, :, self.columns.size_of]

    @cached_property
    def boxes(self) -> IntArray:
        """Number of boxes that the population falls into."""
        lengths = (self.channels, self.rows.length, self.columns.length)
        return product(*(-(-whole // each) for whole, each in zip(self.whole, lengths, strict=True)))

    @cached_property
    def neurons(self) -> IntArray:
        """Neurons of a whole box, without its border."""
        return product(self.channels, self.rows.length, self.columns.length)

    @cached_property
    def places(self) -> IntArray:
        """Places that lists of synapses can name: the neurons of a whole box and of its border."""
        return product(self.channels, self.rows.padded, self.columns.padded)

    @cached_property
    def padded_map(self) -> IntArray:
        """Places of one channel (1, rows, columns)."""
        return product(np.ones(1, dtype=np.int64), self.rows.padded, self.columns.padded)


def axis_options(sizes: IntArray, axes: tuple[Axis, ...]) -> AxisOptions:
    """Options of boxes of ``sizes`` along an axis; ``axes`` are those of convolutions that may use a border.

    A border that is no wider than the box without one is left out.
    """
    plain = np.arange(len(sizes))
    lead, trail = np.zeros_like(plain), np.zeros_like(plain)
    for axis in axes:
        of_axis = _borders(axis, tuple(map(int, sizes)))
        lead, trail = np.maximum(lead, of_axis[0]), np.maximum(trail, of_axis[1])
    lined = np.flatnonzero(lead + trail)
    return AxisOptions(
        sizes,
        np.concatenate([plain, lined]),
        np.repeat([False, True], [len(plain), len(lined)]),
        np.concatenate([np.zeros_like(plain), lead[lined]]),
        np.concatenate([np.zeros_like(plain), trail[lined]]),
    )


def axis_lists(axis: Axis, options: AxisOptions) -> AxisLists:
    """What a convolution needs along ``axis`` for each of ``options``."""
    sources, span, lengths, first = list[int](), list[int](), list[IntArray](), list[int]()
    for size, border in zip(options.length.tolist(), options.border.tolist(), strict=True):
        most, widest, kinds = _lists(axis, size, border)
        sources.append(most)
        span.append(widest)
        first.append(len(lengths))
        lengths.extend(kinds)
    return AxisLists(np.array(sources), np.array(span), np.stack(lengths), np.array(first))


@lru_cache(maxsize=4096)
def _lists(axis: Axis, size: int, border: bool) -> tuple[int, int, tuple[IntArray, ...]]:
    runs = [axis.run(first, length, border=border) for first, length in _kinds_of_boxes(axis, size)]
    kinds = {run.list_lengths.tobytes(): run.list_lengths for run in runs}
    widest = max(int(run.span.max(initial=0)) for run in runs)
    return max(run.sources for run in runs), widest, tuple(kinds.values())


@lru_cache(maxsize=1024)
def _borders(axis: Axis, sizes: tuple[int, ...]) -> tuple[IntArray, IntArray]:
    wide = [
        [(run.lead, run.trail) for run in (axis.run(*box, border=True) for box in _kinds_of_boxes(axis, size))]
        for size in sizes
    ]
    return tuple(np.array([max(each[side] for each in kinds) for kinds in wide]) for side in (0, 1))  # type: ignore[return-value]


def _kinds_of_boxes(axis: Axis, size: int) -> list[tuple[int, int]]:
    """First target and length of every box that touches padding or is cut short, and of one that does not."""
    firsts = starts(axis.targets, size)
    lengths = np.minimum(size, axis.targets - firsts)
    low = firsts * axis.stride - axis.padding
    high = (firsts + lengths - 1) * axis.stride - axis.padding + (axis.kernel - 1) * axis.dilation
    ordinary = (low >= 0) & (high < axis.sources) & (lengths == size)
    kept = np.flatnonzero(~ordinary).tolist() + np.flatnonzero(ordinary)[:1].tolist()
    return [(int(firsts[k]), int(lengths[k])) for k in kept]
