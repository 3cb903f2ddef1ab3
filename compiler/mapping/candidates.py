"""What every box of a population needs of a core, and which fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...targets import Target
from ...targets.records import dataclass
from .axes import Axis
from .box_options import BoxOptions, axis_options
from .boxes import BoolArray, Map, most_sources, tile_sizes
from .connectivity import Connectivity
from .coordinates import SparseConnectivity
from .forms import POPULATION, FormNeeds, Link, form_needs, forms_of
from .synapse_lists import ListFormat

NEURONS = "neurons"
INPUT_AXONS = "input axons"
OUTPUT_AXONS = "output axons"
SYNAPSE_MEMORY = "synapse memory"
THRESHOLDS = "threshold configurations"
FORMATS = "synapse formats"
CONFIGURATIONS = "compartment configurations"

_SYNAPSES_LOOKED_AT = 1 << 24
"""Of sparse projections, over all combinations of box sizes; a few seconds."""

_FEWEST_SIZES = 4

Index = tuple[int, int, int, int]
"""A way of holding the synapses, and a box: its place among the options of channels, rows and columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Every box of a population and what it needs.

    The arrays of ``needs`` are over (ways, channels, rows, columns): ``forms`` per way and incoming link (in their
    order) is how the way holds the synapses: first with the least memory each, then with the fewest axons each.
    ``axons`` is each link's share of the input axons, in the same order.
    """

    options: BoxOptions
    forms: tuple[tuple[IntArray, ...], ...]
    names: tuple[tuple[str, ...], ...]
    axons: tuple[IntArray, ...]
    needs: Mapping[str, IntArray]

    def tile(self, index: Index) -> Map:
        """Neurons of a box along each axis, without its border."""
        options = self.options
        _, channels, row, column = index
        return (
            int(options.channels[channels]),
            int(options.rows.length[row]),
            int(options.columns.length[column]),
        )

    def border(self, index: Index) -> tuple[bool, bool]:
        """Whether a box has a border along rows and along columns."""
        return bool(self.options.rows.border[index[2]]), bool(self.options.columns.border[index[3]])

    def held(self, index: Index) -> tuple[str, ...]:
        """Form of each incoming link."""
        way, *box = index
        return tuple(names[int(chosen[way][tuple(box)])] for names, chosen in zip(self.names, self.forms, strict=True))


def candidates(
    whole: Map,
    incoming: tuple[tuple[Link, ListFormat], ...],
    thresholds: BoolArray,
    pulses: tuple[tuple[int, ListFormat], ...],
    target: Target,
) -> Candidates:
    """Judge every box of a population of map ``whole``, apart from its output axons.

    ``thresholds`` (channels, distinct thresholds) says which thresholds a channel has. ``pulses`` holds, per pulse, the
    axons that each core needs for it, with a synapse onto every neuron.
    """
    options = _options(whole, tuple(link for link, _ in incoming), target)
    needs = [tuple(form_needs(link, stored, options, target)) for link, stored in incoming]
    ways = [_ways(each) for each in needs]
    axons = tuple(_chosen(each, way, "axons") for each, way in zip(needs, ways, strict=True))
    memory = sum((_chosen(each, way, "memory") for each, way in zip(needs, ways, strict=True)), start=_none(options))
    input_axons = sum(axons, start=_none(options))
    for lines, stored in pulses:
        input_axons = input_axons + lines
        memory = memory + lines * stored.list_bits(options.places, 0)
    configurations = np.minimum(most_sources(thresholds, options.channels)[:, None, None], options.neurons)
    lined = options.rows.border[:, None] | options.columns.border
    compartments = options.places + options.neurons * (target.neuron.compartments_per_neuron.value - 1)
    formats = len({stored for _, stored in (*incoming, *pulses)})
    return Candidates(
        options,
        tuple(ways),
        tuple(tuple(need.form for need in each) for each in needs),
        axons,
        {
            NEURONS: np.broadcast_to(compartments, input_axons.shape),
            INPUT_AXONS: input_axons,
            SYNAPSE_MEMORY: memory,
            THRESHOLDS: np.broadcast_to(configurations + lined, input_axons.shape),
            FORMATS: np.full(input_axons.shape, formats),
            CONFIGURATIONS: np.broadcast_to(1 + (compartments > options.places) + lined, input_axons.shape),
        },
    )


def _none(options: BoxOptions) -> IntArray:
    return np.zeros((2, *options.places.shape), dtype=np.int64)


def _ways(needs: tuple[FormNeeds, ...]) -> tuple[IntArray, ...]:
    memory = np.stack([need.memory for need in needs])
    axons = np.stack([need.axons for need in needs])
    fewest_axons = np.where(axons == axons.min(axis=0), memory, np.iinfo(np.int64).max)
    return memory.argmin(axis=0), fewest_axons.argmin(axis=0)


def _chosen(needs: tuple[FormNeeds, ...], ways: tuple[IntArray, ...], what: str) -> IntArray:
    every = np.stack([getattr(need, what) for need in needs])
    return np.stack([np.take_along_axis(every, way[None], axis=0)[0] for way in ways])


def _options(whole: Map, incoming: tuple[Link, ...], target: Target) -> BoxOptions:
    sizes = _sizes_to_try(whole, incoming)
    lined = [
        link.axes
        for link in incoming
        if isinstance(link, Connectivity) and link.axes is not None and POPULATION in forms_of(link, target)
    ]
    rows, columns = (tuple[Axis, ...](axes[n] for axes in lined) for n in (0, 1))
    return BoxOptions(whole, sizes[0], axis_options(sizes[1], rows), axis_options(sizes[2], columns))


def _sizes_to_try(whole: Map, incoming: tuple[Link, ...]) -> tuple[IntArray, IntArray, IntArray]:
    """All box sizes, or some where synapses are looked at one by one for every combination of sizes."""
    synapses = sum(link.synapses for link in incoming if isinstance(link, SparseConnectivity))
    most = None
    if synapses:
        axes = max(1, sum(length > 1 for length in whole))
        most = max(_FEWEST_SIZES, int((_SYNAPSES_LOOKED_AT / synapses) ** (1 / axes)))
    return tile_sizes(whole[0], most), tile_sizes(whole[1], most), tile_sizes(whole[2], most)
