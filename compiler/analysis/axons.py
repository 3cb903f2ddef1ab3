"""Which cores a neuron's spikes reach, and how many synapses they meet there: an axon for each pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...runtime.program import ConvSynapses, DenseSynapses, IntArray, Program, Projection, SparseSynapses
from ...targets.records import dataclass
from ..mapping.connectivity import as_map

Box = tuple[int, int, int, int, int, int]
"""First and last index, exclusive, along channels, rows and columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Axons:
    """Pairs of a ``neuron`` of one source and a ``core`` that it reaches by ``synapses`` synapses, (n,) each.

    Each pair comes once, whatever number of projections lead there. Neurons are counted in C order.
    """

    neuron: IntArray
    core: IntArray
    synapses: IntArray

    def of(self, neurons: npt.NDArray[Any]) -> Axons:
        """Those of the neurons that ``neurons`` (n,) is not 0 for."""
        kept = np.flatnonzero(neurons[self.neuron])
        return Axons(self.neuron[kept], self.core[kept], self.synapses[kept])


_PART = 1 << 22
"""Pairs at a time, about: a large network has hundreds of millions."""


def axons_of(
    program: Program, source: str, cores: Mapping[str, IntArray], target: str | None = None
) -> Iterator[Axons]:
    """Axons of the population called ``source`` (or ``INPUT``), in parts; each pair is in one of them.

    ``cores`` holds the core of each population's neurons, in C order. With ``target`` only axons into that population.
    """
    read = [each for each in program.projections if each.source == source and target in (None, each.target)]
    reached = [np.unique(cores[projection.target]) for projection in read]
    parts: Iterator[Axons] = (part for each in read for part in _of_projection(program, each, cores[each.target]))
    if read and sum(map(len, reached)) > len(np.unique(np.concatenate(reached))):
        parts = iter([_once(_joined(parts))])
    yield from parts


def _joined(parts: Iterable[Axons]) -> Axons:
    columns = zip(*((each.neuron, each.core, each.synapses) for each in parts), strict=True)
    return Axons(*(np.concatenate(each) for each in columns))


def _once(pairs: Axons) -> Axons:
    cores = int(pairs.core.max(initial=0)) + 1
    keys, which = np.unique(pairs.neuron * cores + pairs.core, return_inverse=True)
    synapses = np.bincount(which, pairs.synapses, len(keys)).astype(np.int64)
    return Axons(keys // cores, keys % cores, synapses)


def _of_projection(program: Program, projection: Projection, cores: IntArray) -> Iterator[Axons]:
    synapses = projection.synapses
    if isinstance(synapses, SparseSynapses):
        ends = cores[synapses.target]
        yield _once(Axons(synapses.source, ends, np.ones_like(ends)))
    elif isinstance(synapses, DenseSynapses):
        yield _of_matrix(synapses.weight != 0, cores)
    else:
        source, target = as_map(program.source_shape(projection)), program.population(projection.target).shape
        yield from _of_convolution(synapses, source, target, cores)


def _of_matrix(connected: np.ndarray[tuple[int, int], np.dtype[np.bool_]], cores: IntArray) -> Axons:
    order = np.argsort(cores, kind="stable")
    numbers, begins = np.unique(cores[order], return_index=True)
    reached = np.add.reduceat(connected[order], begins, axis=0, dtype=np.int64)
    which, neuron = np.nonzero(reached)
    return Axons(neuron, numbers[which], reached[which, neuron])


def _of_convolution(
    synapses: ConvSynapses, source: tuple[int, int, int], target: tuple[int, ...], cores: IntArray
) -> Iterator[Axons]:
    reach = _Reach(synapses, source, target)
    boxes = list(_boxes(cores.reshape(target)))
    one_each = len(boxes) == len({core for core, _ in boxes})
    parts: list[Axons] = []
    pairs = 0
    for core, box in boxes:
        first, counts = reach.of_box(box)
        channel, row, column = np.nonzero(counts)
        neuron = (channel * source[1] + row + first[0]) * source[2] + column + first[1]
        parts.append(Axons(neuron, np.full(len(neuron), core, dtype=np.int64), counts[channel, row, column]))
        pairs += len(neuron)
        if one_each and pairs > _PART:
            yield _joined(parts)
            parts, pairs = [], 0
    if parts:
        yield _joined(parts) if one_each else _once(_joined(parts))


def _boxes(cores: IntArray) -> Iterator[tuple[int, Box]]:
    """Each core with the box of neurons on it; one that holds no box comes neuron by neuron."""
    order = np.argsort(cores, axis=None, kind="stable")
    numbers, begins, sizes = np.unique(cores.ravel()[order], return_index=True, return_counts=True)
    places = [axis[order] for axis in np.unravel_index(np.arange(cores.size), cores.shape)]
    low = [np.minimum.reduceat(axis, begins) for axis in places]
    high = [np.maximum.reduceat(axis, begins) + 1 for axis in places]
    full = sizes == np.prod([above - below for below, above in zip(low, high, strict=True)], axis=0)
    ends = np.stack([low[0], high[0], low[1], high[1], low[2], high[2]], axis=1).tolist()
    for core, box, is_box, begin, size in zip(
        numbers.tolist(), ends, full.tolist(), begins.tolist(), sizes.tolist(), strict=True
    ):
        if is_box:
            yield core, tuple(box)
            continue
        for place in range(begin, begin + size):
            channel, row, column = (int(axis[place]) for axis in places)
            yield core, (channel, channel + 1, row, row + 1, column, column + 1)


class _Reach:
    """How many synapses lead from each source neuron to a box of neurons behind a convolution."""

    def __init__(self, synapses: ConvSynapses, source: tuple[int, int, int], target: tuple[int, ...]) -> None:
        self._synapses, self._source, self._target = synapses, source, target
        self._kernels = cache(self._kernel)
        self._lines = cache(self._line)

    def of_box(self, box: Box) -> tuple[tuple[int, int], IntArray]:
        """First row and column of the source that the box reads, and synapses by channel, row and column from there."""
        kernel = self._kernels(box[0], box[1])
        first_row, rows = self._lines(0, box[2], box[3])
        first_column, columns = self._lines(1, box[4], box[5])
        channels, height, width = kernel.shape
        # Small counts, exact in any order: a kernel has far fewer than 2^53 weights.
        by_column = (kernel.reshape(-1, width) @ columns).reshape(channels, height, -1)
        counts = rows.T @ by_column
        return (first_row, first_column), np.asarray(counts, dtype=np.int64)

    def _kernel(self, begin: int, end: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """(source channels, kernel rows, kernel columns): weights other than 0 of target channels begin..end - 1."""
        weight, groups = self._synapses.weight[begin:end] != 0, self._synapses.geometry.groups
        inputs, per_group = weight.shape[1], len(self._synapses.weight) // groups
        counts = np.zeros((groups, *weight.shape[1:]))
        np.add.at(counts, np.arange(begin, end) // per_group, weight)
        return counts.reshape(groups * inputs, *weight.shape[2:])

    def _line(self, axis: int, begin: int, end: int) -> tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        """First source index along ``axis`` that targets begin..end - 1 read, and (kernel, index): by how many."""
        geometry, length = self._synapses.geometry, self._source[axis + 1]
        positions = np.arange(self._synapses.weight.shape[axis + 2])
        starts = np.arange(begin, end) * geometry.stride[axis] - geometry.padding[axis]
        reads = starts + positions[:, None] * geometry.dilation[axis]
        position, which = np.nonzero((reads >= 0) & (reads < length))
        index = reads[position, which]
        first = int(index.min(initial=length - 1))
        counts = np.zeros((len(positions), max(int(index.max(initial=first)) - first + 1, 1)))
        np.add.at(counts, (position, index - first), 1)
        return first, counts
