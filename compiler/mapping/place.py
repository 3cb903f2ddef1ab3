"""Divide every population of a program over cores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import Population, Program
from ...targets import Number, Target
from .boxes import BoolArray, Map
from .connectivity import as_map, connectivity
from .placement import LayerPlacement, Placement, ResourceUse
from .tiling import (
    INPUT_AXONS,
    NEURONS,
    OUTPUT_AXONS,
    SYNAPSE_MEMORY,
    THRESHOLDS,
    Candidates,
    Link,
    candidates,
)
from .weight_memory import StoredWeights, stored_weights

Tiles = dict[str, Map]
PulseAxons = tuple[tuple[int, StoredWeights], ...]


def place(program: Program, target: Target) -> Placement:
    """Give each population of ``program`` its own cores, as few as its limits on ``target`` allow.

    The read-out is placed first, because the cores of a layer decide how many output axons the layer before needs.
    A layer of which a single neuron breaks a limit is placed as if that limit were not there; its ``uses`` say so.
    """
    links = tuple(
        connectivity(p, program.source_shape(p), program.population(p.target).shape) for p in program.projections
    )
    limits = _limits(target)
    pulses = {p.name: _pulse_axons(program, p.name, target) for p in program.populations}
    unrolled, shared, any_threshold = Tiles(), Tiles(), Tiles()
    layers = []
    for population in reversed(program.populations):
        judged = _candidates(population, links, unrolled, target, pulses[population.name])
        judged_shared = (
            judged if shared == unrolled else _candidates(population, links, shared, target, pulses[population.name])
        )
        index = judged.best(_values(limits), shared=False)
        index_any = judged.best({k: v for k, v in _values(limits).items() if k != THRESHOLDS}, shared=False)
        unrolled[population.name] = judged.tile(index)
        shared[population.name] = judged_shared.tile(judged_shared.best(_values(limits), shared=True))
        any_threshold[population.name] = judged.tile(index_any)
        tilings = (unrolled[population.name], shared[population.name], any_threshold[population.name])
        axons = sum(lines for lines, _ in pulses[population.name])
        layers.append(_layer(population, links, judged, index, tilings, limits, target, axons))
    return Placement(target.name, tuple(reversed(layers)))


def _layer(
    population: Population,
    links: tuple[Link, ...],
    judged: Candidates,
    index: tuple[int, int, int],
    tilings: tuple[Map, Map, Map],
    limits: Mapping[str, tuple[Number | None, str]],
    target: Target,
    pulse_axons: int,
) -> LayerPlacement:
    whole = as_map(population.shape)
    incoming = tuple(link for link in links if link.projection.target == population.name)
    uses = tuple(
        ResourceUse(name, int(judged.needs[name][index]), int(judged.needs[name][0, 0, 0]), limit, unit)
        for name, (limit, unit) in limits.items()
    )
    cores, cores_shared, cores_any_threshold = (int(np.prod(_splits(whole, tile))) for tile in tilings)
    widths = (stored_weights(link.projection.synapses.weight, target).weight_bits for link in incoming)
    return LayerPlacement(
        name=population.name,
        map=whole,
        tile=tilings[0],
        splits=_splits(whole, tilings[0]),
        cores=cores,
        cores_shared=cores_shared,
        cores_any_threshold=cores_any_threshold,
        uses=uses,
        synapses=sum(link.synapses for link in incoming) + pulse_axons * population.neurons,
        shared_weights=sum(link.shared_weights for link in incoming) + pulse_axons * whole[0],
        threshold_configurations=0 if population.threshold is None else len(np.unique(population.threshold)),
        weight_bits=max(widths, default=0),
    )


def _pulse_axons(program: Program, population: str, target: Target) -> PulseAxons:
    """Axons of each pulse into ``population`` and how their weights are stored; a pulsed bias needs none."""
    return tuple(
        (p.axons, stored_weights(p.weight, target)) for p in program.pulses if p.target == population and p.axons
    )


def _candidates(
    population: Population,
    links: tuple[Link, ...],
    tiles: Mapping[str, Map],
    target: Target,
    pulses: PulseAxons,
) -> Candidates:
    incoming = tuple(
        (link, stored_weights(link.projection.synapses.weight, target))
        for link in links
        if link.projection.target == population.name
    )
    outgoing = tuple(
        link.readers(tiles[link.projection.target]) for link in links if link.projection.source == population.name
    )
    compartments = target.neuron.compartments_per_neuron.value
    return candidates(as_map(population.shape), incoming, outgoing, _thresholds(population), compartments, pulses)


def _thresholds(population: Population) -> BoolArray:
    channels = as_map(population.shape)[0]
    if population.threshold is None:
        return np.zeros((channels, 1), dtype=bool)
    distinct, which = np.unique(population.threshold, return_inverse=True)
    if distinct.size == 1:
        return np.ones((channels, 1), dtype=bool)
    everywhere = np.broadcast_to(which.reshape(population.threshold.shape), population.shape)
    has = np.zeros((channels, distinct.size), dtype=bool)
    has[np.arange(channels)[:, None], everywhere.reshape(channels, -1)] = True
    return has


def _limits(target: Target) -> dict[str, tuple[Number | None, str]]:
    return {
        NEURONS: (target.core.neurons, "compartments"),
        INPUT_AXONS: (target.core.input_axons, "axons"),
        OUTPUT_AXONS: (target.core.output_axons, "axons"),
        SYNAPSE_MEMORY: (target.core.synapse_memory_bits, "bits"),
        THRESHOLDS: (target.neuron.threshold_configurations, "thresholds"),
    }


def _values(limits: Mapping[str, tuple[Number | None, str]]) -> dict[str, int]:
    return {name: limit.value for name, (limit, _) in limits.items() if limit is not None}


def _splits(whole: Map, tile: Map) -> Map:
    channels, rows, columns = (-(-length // size) for length, size in zip(whole, tile, strict=True))
    return channels, rows, columns
