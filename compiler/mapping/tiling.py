"""Search of the box of neurons per core that takes the fewest cores.

For each axis the possible box sizes and what the fullest box of each size needs are tabled once; every combination of
sizes is then judged at once by products of these tables. With several projections or uneven boxes the sum of the
maxima is an upper bound, so a layer never takes more than is said here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...targets.records import dataclass
from .boxes import BoolArray, Map, Readers, Sizes, most_messages, most_of, most_sources, product, tile_sizes
from .connectivity import Connectivity
from .coordinates import SparseConnectivity
from .weight_memory import StoredWeights, memory_bits

NEURONS = "neurons"
INPUT_AXONS = "input axons"
OUTPUT_AXONS = "output axons"
SYNAPSE_MEMORY = "synapse memory"
THRESHOLDS = "threshold configurations"


Link = Connectivity | SparseConnectivity

_SYNAPSES_LOOKED_AT = 1 << 24
"""Of sparse projections, over all combinations of box sizes; a few seconds."""

_FEWEST_SIZES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Every box size of a population and what the fullest box needs.

    ``sizes`` per axis; ``cores`` and each array of ``needs`` have one entry per combination of sizes, the first
    (all sizes 1) being a single neuron. ``shared_memory`` is the synapse memory with kernels stored once.
    """

    sizes: Sizes
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


def candidates(
    target: Map,
    incoming: tuple[tuple[Link, StoredWeights], ...],
    outgoing: tuple[Readers, ...],
    thresholds: BoolArray,
    compartments: int,
    pulses: tuple[tuple[int, StoredWeights], ...] = (),
) -> Candidates:
    """Judge every box size of a population with map ``target``.

    ``outgoing`` holds, per projection that leaves it, how many boxes of the reader read each neuron. ``thresholds``
    (channels, distinct thresholds) says which thresholds a channel has. ``pulses`` holds, per pulse, the axons that
    each core needs for it, with a synapse onto every neuron.
    """
    sizes = _sizes_to_try(target, tuple(link for link, _ in incoming))
    neurons = product(*sizes)
    input_axons = np.zeros_like(neurons)
    memory, shared_memory = np.zeros_like(neurons), np.zeros_like(neurons)
    for link, stored in incoming:
        axons = link.axons(sizes)
        input_axons += axons
        dense_weights = link.dense_weights if isinstance(link, Connectivity) else None
        unrolled = memory_bits(stored, link.box_synapses(sizes), axons, neurons, dense_weights)
        memory += unrolled
        if isinstance(link, Connectivity) and dense_weights is None:
            kernel = most_of(link.kernel, sizes[0])
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
        output_axons += most_messages(readers, sizes)
    configurations = most_sources(thresholds, sizes[0])[:, None, None]
    needs = {
        NEURONS: neurons * compartments,
        INPUT_AXONS: input_axons,
        OUTPUT_AXONS: output_axons,
        SYNAPSE_MEMORY: memory,
        THRESHOLDS: np.minimum(configurations, neurons),
    }
    boxes = tuple(-(-length // each) for length, each in zip(target, sizes, strict=True))
    return Candidates(sizes, product(*boxes), needs, shared_memory)


def _sizes_to_try(target: Map, incoming: tuple[Link, ...]) -> Sizes:
    """All box sizes, or some where synapses are looked at one by one for every combination of sizes."""
    synapses = sum(link.synapses for link in incoming if isinstance(link, SparseConnectivity))
    most = None
    if synapses:
        axes = max(1, sum(length > 1 for length in target))
        most = max(_FEWEST_SIZES, int((_SYNAPSES_LOOKED_AT / synapses) ** (1 / axes)))
    return tile_sizes(target[0], most), tile_sizes(target[1], most), tile_sizes(target[2], most)
