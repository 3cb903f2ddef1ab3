"""Which cores hold which neurons, and what each layer takes of a core."""

from __future__ import annotations

from ...targets import Number
from ...targets.records import dataclass

Map = tuple[int, int, int]


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
class LayerPlacement:
    """How one population is divided over cores.

    ``tile`` (channels, rows, columns) is the box of neurons on one core, the last of each axis may be smaller;
    ``splits`` the number of boxes per axis. ``cores`` store every synapse; ``cores_shared`` is their number when
    each convolution kernel is stored once per core, ``cores_any_threshold`` when a core could hold any number of
    thresholds. ``synapses`` and ``shared_weights`` count the non-zero weights of the layer's incoming projections
    unrolled and as stored in the program; ``threshold_configurations`` its distinct thresholds.
    """

    name: str
    map: Map
    tile: Map
    splits: Map
    cores: int
    cores_shared: int
    cores_any_threshold: int
    uses: tuple[ResourceUse, ...]
    synapses: int
    shared_weights: int
    threshold_configurations: int
    weight_bits: int

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


@dataclass(frozen=True, slots=True)
class Placement:
    """Division of every population of a program over the cores of a target, in program order."""

    target: str
    layers: tuple[LayerPlacement, ...]

    @property
    def cores(self) -> int:
        """Cores with every synapse stored."""
        return sum(layer.cores for layer in self.layers)

    @property
    def cores_shared(self) -> int:
        """Cores with each convolution kernel stored once per core."""
        return sum(layer.cores_shared for layer in self.layers)

    @property
    def synapses(self) -> int:
        """Non-zero weights with every kernel unrolled."""
        return sum(layer.synapses for layer in self.layers)

    @property
    def shared_weights(self) -> int:
        """Non-zero weights as the program stores them, each kernel once."""
        return sum(layer.shared_weights for layer in self.layers)

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
