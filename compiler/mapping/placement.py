"""Which cores hold which neurons, and what each layer takes of a core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...targets import Number
from ...targets.records import dataclass
from .box_needs import Border, Ranges, boxes_of
from .boxes import Map


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What the fullest core of a layer uses of one resource; ``limit`` None where the target has no limit.

    ``single_neuron`` is what the neediest neuron alone uses: above the limit no division over cores helps.
    """

    name: str
    used: int
    single_neuron: int
    limit: Number | None
    unit: str

    @property
    def unplaceable(self) -> bool:
        """One neuron alone breaks the limit."""
        return self.limit is not None and self.single_neuron > self.limit.value


@dataclass(frozen=True, slots=True)
class HeldProjection:
    """How a core holds the synapses of an incoming projection: in which ``form`` (see ``forms``), how wide.

    ``pool`` (rows, columns) source neurons send to one input axon (see ``connectivity``).
    """

    projection: str
    form: str
    pool: tuple[int, int]
    weight_bits: int
    delay_bits: int


@dataclass(frozen=True, slots=True, eq=False)
class LayerPlacement:
    """How one population is divided over cores.

    ``tile`` (channels, rows, columns) is the box of neurons on one core, the last of each axis may be smaller, with a
    ``border`` of neurons that never fire; ``core`` (boxes per axis) the core of each box, which other boxes may share.
    ``cores_any_threshold`` are the boxes when a core could hold any number of thresholds. ``synapses`` and
    ``stored_once`` count the non-zero weights of the layer's incoming projections, unrolled and as stored in the
    program; ``threshold_configurations`` its distinct thresholds. ``held`` tells of each projection.
    """

    name: str
    map: Map
    tile: Map
    border: Border
    core: IntArray
    cores_any_threshold: int
    uses: tuple[ResourceUse, ...]
    synapses: int
    stored_once: int
    threshold_configurations: int
    held: tuple[HeldProjection, ...]

    @property
    def splits(self) -> Map:
        """Number of boxes per axis."""
        channels, rows, columns = self.core.shape
        return channels, rows, columns

    @property
    def boxes(self) -> int:
        """Boxes that the layer is divided into."""
        return self.core.size

    @property
    def cores(self) -> int:
        """Cores that hold neurons of the layer, alone or with others."""
        return len(np.unique(self.core))

    @property
    def weight_bits(self) -> int:
        """Width of the widest weights."""
        return max((each.weight_bits for each in self.held), default=0)

    @property
    def placeable(self) -> bool:
        """Every neuron fits a core."""
        return not any(use.unplaceable for use in self.uses)

    def use(self, name: str) -> ResourceUse:
        """Return the use of the resource called ``name``; KeyError if there is none."""
        for use in self.uses:
            if use.name == name:
                return use
        raise KeyError(name)

    def core_of_neurons(self) -> IntArray:
        """Core of each neuron, over the layer's map (channels, rows, columns)."""
        cores = np.zeros(self.map, dtype=np.int64)
        for place, ranges in self.ranges():
            cores[ranges] = self.core[place]
        return cores

    def ranges(self) -> tuple[tuple[Map, Ranges], ...]:
        """Place among the boxes and ranges of channels, rows and columns of each box."""
        return tuple(boxes_of(self.map, self.tile))


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Division of every population of a program over the cores of a target, in program order.

    ``bound`` is the sum over layers of the cores that each fills by itself in its best boxes: boxes times the share of
    the budget that they use most, compartments, input axons or memory. Only layers that are short of different things
    could share cores beyond it. ``use`` is what is used of each core (cores,), by budget that all cores share alike.
    """

    target: str
    layers: tuple[LayerPlacement, ...]
    bound: int
    use: Mapping[str, IntArray]

    @property
    def cores(self) -> int:
        """Cores that hold neurons."""
        return len(np.unique(np.concatenate([layer.core.ravel() for layer in self.layers]))) if self.layers else 0

    @property
    def synapses(self) -> int:
        """Non-zero weights with every kernel unrolled."""
        return sum(layer.synapses for layer in self.layers)

    @property
    def stored_once(self) -> int:
        """Non-zero weights as the program stores them, each kernel once."""
        return sum(layer.stored_once for layer in self.layers)

    @property
    def placeable(self) -> bool:
        """Every neuron of every layer fits a core."""
        return all(layer.placeable for layer in self.layers)

    def layer(self, name: str) -> LayerPlacement:
        """Return the placement of the population called ``name``; KeyError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)
