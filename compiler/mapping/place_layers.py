"""Give each layer of a program a core of its own, where a core computes a whole layer and cores differ in memory."""

from __future__ import annotations

import numpy as np

from ...runtime.program import Program
from ...targets import Number, Target
from ...targets.facts import PerCore
from ...targets.layer_cores import LayerCores
from ...targets.records import dataclass
from .box_needs import Border
from .connectivity import as_map, connectivity
from .core_layers import CoreLayer, core_layers
from .forms import KERNEL
from .placement import HeldProjection, LayerPlacement, Placement, ResourceUse
from .synapse_lists import list_format

KERNEL_MEMORY, NEURON_MEMORY, BIAS_MEMORY = "kernel memory", "neuron memory", "bias memory"


@dataclass(frozen=True, slots=True, eq=False)
class LayerOnCore:
    """A layer, the ``cores`` that have room for it, and the ``core`` that it got: None where none was left."""

    layer: CoreLayer
    cores: tuple[int, ...]
    core: int | None


def layers_on_cores(program: Program, cores: LayerCores) -> tuple[LayerOnCore, ...]:
    """A core for as many layers as possible, none for two."""
    import networkx

    layers = core_layers(program, cores)
    room = tuple(_with_room(layer, cores) for layer in layers)
    graph = networkx.Graph()
    graph.add_nodes_from(("layer", n) for n in range(len(layers)))
    graph.add_edges_from((("layer", n), ("core", core)) for n, those in enumerate(room) for core in those)
    matched = networkx.bipartite.hopcroft_karp_matching(graph, [("layer", n) for n in range(len(layers))])
    chosen = (matched.get(("layer", n)) for n in range(len(layers)))
    return tuple(
        LayerOnCore(layer, those, None if core is None else core[1])
        for layer, those, core in zip(layers, room, chosen, strict=True)
    )


def _with_room(layer: CoreLayer, cores: LayerCores) -> tuple[int, ...]:
    rooms = zip(cores.kernel_memory.values, cores.neuron_memory.values, cores.bias_memory.values, strict=True)
    needs = (layer.kernel_entries, layer.neuron_entries, layer.biases)
    return tuple(n for n, room in enumerate(rooms) if all(need <= each for need, each in zip(needs, room, strict=True)))


def place_layers(program: Program, target: Target, cores: LayerCores) -> Placement:
    """One core for each layer; those that got none are counted as if there were more cores of the largest memories."""
    placed = layers_on_cores(program, cores)
    beyond = iter(range(len(cores.kernel_memory.values), len(cores.kernel_memory.values) + len(placed)))
    layers = tuple(
        _placed(program, target, each, next(beyond) if each.core is None else each.core, cores) for each in placed
    )
    return Placement(target.name, layers, bound=len(layers), use={})


def _placed(program: Program, target: Target, found: LayerOnCore, core: int, cores: LayerCores) -> LayerPlacement:
    layer, population = found.layer, program.population(found.layer.name)
    incoming = program.incoming(population.name)
    links = [connectivity(p, program.source_shape(p), population.shape) for p in incoming]
    one_neuron = layer.kernel_entries // layer.map[0]
    return LayerPlacement(
        name=population.name,
        map=as_map(population.shape),
        tile=as_map(population.shape),
        border=Border(),
        core=np.full((1, 1, 1), core),
        cores_any_threshold=1,
        uses=(
            ResourceUse(KERNEL_MEMORY, layer.kernel_entries, one_neuron, _room(cores.kernel_memory, found), "weights"),
            ResourceUse(NEURON_MEMORY, layer.neuron_entries, 1, _room(cores.neuron_memory, found), "neurons"),
            ResourceUse(BIAS_MEMORY, layer.biases, 0, _room(cores.bias_memory, found), "biases"),
        ),
        synapses=sum(link.synapses for link in links),
        stored_once=sum(link.stored_once for link in links),
        threshold_configurations=0 if population.threshold is None else len(np.unique(population.threshold)),
        held=tuple(
            HeldProjection(p.name, KERNEL, (pool, pool), list_format(p, target).weight_bits, 0)
            for p, pool in zip(incoming, layer.pools, strict=True)
        ),
    )


def _room(memory: PerCore, found: LayerOnCore) -> Number:
    """Of the layer's core; of the largest where it got none."""
    value = max(memory.values) if found.core is None else memory.values[found.core]
    return Number(value, memory.unit, memory.source, memory.status)
