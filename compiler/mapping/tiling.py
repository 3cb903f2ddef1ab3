"""Search of the box of neurons per core that takes the fewest cores.

For each axis the possible box sizes and what the fullest box of each size needs are tabled once; every combination of
sizes is then judged at once by products of these tables. With several projections or uneven boxes the sum of the
maxima is an upper bound, so a layer never takes more than is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...runtime.program import IntArray
from .connectivity import BoolArray, Connectivity, Map
from .weight_memory import StoredWeights, memory_bits

NEURONS = "neurons"
INPUT_AXONS = "input axons"
OUTPUT_AXONS = "output axons"
SYNAPSE_MEMORY = "synapse memory"
THRESHOLDS = "threshold configurations"


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Every box size of a population and what the fullest box needs.

    ``sizes`` per axis; ``cores`` and each array of ``needs`` have one entry per combination of sizes, the first
    (all sizes 1) being a single neuron. ``shared_memory`` is the synapse memory with kernels stored once.
    """

    sizes: tuple[IntArray, IntArray, IntArray]
    cores: IntArray
    needs: Mapping[str, IntArray]
    shared_memory: IntArray

    def best(self, limits: Mapping[str, int], *, shared: bool) -> tuple[int, int, int]:
        """Index of the combination with the fewest cores within ``limits``.

        A limit that a single neuron breaks is left out: it is reported, and the rest of the division stays meaningful.
        Of equal core counts the one with the fewest input axons is taken, then the largest box by channel.
        """
        feasible = np.ones(self.cores.shape, dtype=bool)
        for name, limit in limits.items():
            need = self.need(name, shared=shared)
            if need[0, 0, 0] <= limit:
                feasible &= need <= limit
        fewest = feasible & (self.cores == self.cores[feasible].min())
        axons = np.where(fewest, self.needs[INPUT_AXONS], np.iinfo(np.int64).max)
        flat = axons.size - 1 - int(np.argmin(axons.ravel()[::-1]))
        a, b, c = np.unravel_index(flat, axons.shape)
        return int(a), int(b), int(c)

    def need(self, name: str, *, shared: bool) -> IntArray:
        """What the fullest box needs of the resource called ``name``."""
        return self.shared_memory if shared and name == SYNAPSE_MEMORY else self.needs[name]

    def tile(self, index: tuple[int, int, int]) -> Map:
        """Box size of a combination."""
        a, b, c = (int(sizes[i]) for sizes, i in zip(self.sizes, index, strict=True))
        return a, b, c


def tile_sizes(length: int) -> IntArray:
    """Box sizes worth trying along an axis, ascending: one for each different number of boxes."""
    boxes = np.arange(1, length + 1)
    return np.asarray(np.unique(-(-length // boxes)))


def starts(length: int, size: int) -> IntArray:
    """First index of each box of ``size`` along an axis."""
    return np.arange(0, length, size, dtype=np.int64)


def boxes_reading(reads: BoolArray, size: int) -> IntArray:
    """For each source index, the number of boxes of ``size`` target indices that read it."""
    return np.asarray(np.logical_or.reduceat(reads, starts(len(reads), size), axis=0).sum(axis=0, dtype=np.int64))


def most_sources(reads: BoolArray, sizes: IntArray) -> IntArray:
    """Most source indices that a box of target indices reads together, for each box size."""
    packed = np.packbits(reads, axis=1)
    all_read = int(reads.any(axis=0).sum())
    most = np.full(len(sizes), all_read, dtype=np.int64)
    for i, size in enumerate(sizes):
        together = np.bitwise_or.reduceat(packed, starts(len(reads), int(size)), axis=0)
        most[i] = np.unpackbits(together, axis=1).sum(axis=1, dtype=np.int64).max()
        if most[i] == all_read:
            # A larger box can only read as much again.
            break
    return most


def most_of(amounts: IntArray, sizes: IntArray) -> IntArray:
    """Largest sum of ``amounts`` (length, ...) over a box, for each box size: (sizes, ...)."""
    return np.stack([np.add.reduceat(amounts, starts(len(amounts), int(size)), axis=0).max(axis=0) for size in sizes])


def candidates(
    target: Map,
    incoming: tuple[tuple[Connectivity, StoredWeights], ...],
    outgoing: tuple[tuple[IntArray, IntArray, IntArray], ...],
    thresholds: BoolArray,
    compartments: int,
    pulses: tuple[tuple[int, StoredWeights], ...] = (),
) -> Candidates:
    """Judge every box size of a population with map ``target``.

    ``outgoing`` holds, per projection that leaves it, the number of boxes of the reader per source channel, row and
    column. ``thresholds`` (channels, distinct thresholds) says which thresholds a channel has. ``pulses`` holds, per
    pulse, the axons that each core needs for it, with a synapse onto every neuron.
    """
    sizes = (tile_sizes(target[0]), tile_sizes(target[1]), tile_sizes(target[2]))
    neurons = _product(*sizes)
    input_axons = np.zeros_like(neurons)
    memory, shared_memory = np.zeros_like(neurons), np.zeros_like(neurons)
    for link, stored in incoming:
        axons = _product(*(most_sources(r, s) for r, s in zip(link.reads, sizes, strict=True)))
        kernel = most_of(link.kernel, sizes[0])
        rows = most_of(link.row_reads.astype(np.int64), sizes[1])
        columns = most_of(link.column_reads.astype(np.int64), sizes[2])
        synapses = np.einsum("akl,bk,cl->abc", kernel, rows, columns)
        input_axons += axons
        unrolled = memory_bits(stored, synapses, axons, neurons, link.dense_weights)
        memory += unrolled
        if link.dense_weights is None:
            per_channel = np.broadcast_to(kernel.sum(axis=(1, 2))[:, None, None], neurons.shape)
            lists = np.minimum(axons, most_sources(link.reads[0], sizes[0])[:, None, None])
            stored_once = memory_bits(stored, per_channel, lists, neurons, None)
            shared_memory += np.minimum(stored_once, unrolled)
        else:
            shared_memory += unrolled
    for lines, stored in pulses:
        input_axons += lines
        each = memory_bits(stored, neurons * lines, np.full_like(neurons, lines), neurons, lines)
        memory += each
        shared_memory += each
    output_axons = np.zeros_like(neurons)
    for readers in outgoing:
        output_axons += _product(*(most_of(r, s) for r, s in zip(readers, sizes, strict=True)))
    configurations = most_sources(thresholds, sizes[0])[:, None, None]
    needs = {
        NEURONS: neurons * compartments,
        INPUT_AXONS: input_axons,
        OUTPUT_AXONS: output_axons,
        SYNAPSE_MEMORY: memory,
        THRESHOLDS: np.minimum(configurations, neurons),
    }
    boxes = tuple(-(-length // each) for length, each in zip(target, sizes, strict=True))
    return Candidates(sizes, _product(*boxes), needs, shared_memory)


def _product(channels: IntArray, rows: IntArray, columns: IntArray) -> IntArray:
    return np.asarray(channels[:, None, None] * rows[None, :, None] * columns[None, None, :], dtype=np.int64)
