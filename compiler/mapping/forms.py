"""How the synapses of one projection are held on a core, and what every box of neurons then needs.

``dense``: an input axon per source neuron, its list naming every neuron of the box in turn; zeros are stored.
``indexed``: an input axon per source neuron, its list holding the synapses there are, each with an index.
``population``: an input axon per pixel of the source's map; the spike says which channel it comes from. Pixels that
reach neurons by the same kernel taps share a list per channel, shifted by the first neuron that each reaches. As in
nengo-loihi's conv.py; the shift is limited, and beyond it lists are held again.
``kernel``: each weight of the box's channels once, whatever the tool chain does to find it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.program import IntArray
from ...targets import Target
from ...targets.records import dataclass
from .box_options import BoxOptions, axis_lists
from .boxes import most_of, most_sources, product, starts
from .connectivity import Connectivity
from .coordinates import SparseConnectivity
from .synapse_lists import ListFormat

Link = Connectivity | SparseConnectivity

DENSE, INDEXED, POPULATION, KERNEL = "dense", "indexed", "population", "kernel"


@dataclass(frozen=True, slots=True, eq=False)
class FormNeeds:
    """What a projection held in ``form`` takes of a core: bits of ``memory`` and input ``axons``, per box option."""

    form: str
    memory: IntArray
    axons: IntArray


def forms_of(link: Link, target: Target) -> tuple[str, ...]:
    """Forms in which a core of ``target`` can hold the synapses of ``link``."""
    synapses = target.synapses
    is_convolution = isinstance(link, Connectivity) and link.axes is not None
    found = [INDEXED] if isinstance(link, SparseConnectivity) else [DENSE, INDEXED]
    if is_convolution and synapses.population_axons is not None and synapses.population_axons.value:
        found.append(POPULATION)
    if is_convolution and synapses.kernels_once is not None and synapses.kernels_once.value:
        found.append(KERNEL)
    return tuple(found)


def form_needs(link: Link, stored: ListFormat, options: BoxOptions, target: Target) -> Iterator[FormNeeds]:
    """What ``link`` takes in each form it can have, for every box of ``options``."""
    axons = options.by_option(link.axons(options.sizes))
    index = stored.index_bits(options.places)
    for form in forms_of(link, target):
        if form == DENSE:
            yield FormNeeds(form, axons * stored.list_bits(options.places, 0), axons)
        elif form == INDEXED:
            synapses = options.by_option(link.box_synapses(options.sizes))
            yield FormNeeds(form, stored.at_most(synapses, axons, index), axons)
        elif isinstance(link, Connectivity) and form == POPULATION:
            yield _population(link, stored, options, base_limit(target))
        elif isinstance(link, Connectivity):
            weights = most_of(link.kernel.sum(axis=(1, 2)), options.channels)[:, None, None]
            lists = most_sources(link.reads[0], options.channels)[:, None, None]
            once = stored.at_most(weights, np.minimum(axons, lists), index)
            yield FormNeeds(form, np.broadcast_to(once, axons.shape), axons)


def base_limit(target: Target) -> int:
    """Places by which an input axon can shift its list: fewer than this."""
    base = target.synapses.axon_base_maximum
    return np.iinfo(np.int32).max if base is None else base.value + 1


def _population(link: Connectivity, stored: ListFormat, options: BoxOptions, base: int) -> FormNeeds:
    assert link.axes is not None
    rows, columns = (axis_lists(a, o) for a, o in zip(link.axes, (options.rows, options.columns), strict=True))
    pixels = product(np.ones_like(options.channels), rows.sources, columns.sources)
    row_taps, column_taps = (np.arange(lists.lengths.shape[1]) for lists in (rows, columns))
    atoms = most_synapses_per_tap(link, options.channels)
    entries = product(atoms, row_taps, column_taps)
    # The last place of a list, after a shift that its axon leaves to it.
    highest = product(options.channels - 1, options.rows.padded, options.columns.padded)
    highest = highest + rows.span[:, None] * options.columns.padded + columns.span
    highest = highest + (options.padded_map - 1) // base * base
    index = stored.index_bits(np.minimum(highest + 1, options.places))
    memory = np.zeros(options.places.shape, dtype=np.int64)
    for width in np.unique(index):
        each = stored.list_bits(entries, int(width))
        of_kinds = np.einsum("ra,kab,cb->krc", rows.lengths, each, columns.lengths)
        per_option = np.maximum.reduceat(
            np.maximum.reduceat(of_kinds, rows.first_kind, axis=1), columns.first_kind, axis=2
        )
        memory = np.where(index == width, per_option, memory)
    copies = -(-options.padded_map // base)
    return FormNeeds(POPULATION, memory * copies, pixels)


def most_synapses_per_tap(link: Connectivity, sizes: IntArray) -> IntArray:
    """Entries that a kernel tap takes in the lists of all source channels of a box, for each size along channels.

    All lists of an axon are as long as the longest of its channels: the channels that the box reads, times the most
    neurons that one of them reaches.
    """
    return np.array([max(synapses_per_tap(link, range_of) for range_of in _ranges(link, int(s))) for s in sizes])


def synapses_per_tap(link: Connectivity, channels: slice) -> int:
    """Entries of a kernel tap in the lists of all source channels that the target ``channels`` read."""
    reached = link.reads[0][channels].sum(axis=0)
    return int(np.count_nonzero(reached) * reached.max(initial=0))


def _ranges(link: Connectivity, size: int) -> Iterator[slice]:
    outputs = len(link.reads[0])
    if link.all_channels:
        yield slice(0, size)
        return
    for first in starts(outputs, size).tolist():
        yield slice(first, first + size)
