"""Invariants of the float levels, checked after every pass; what breaks them is a fault of spikec, not of the user."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import network as level1
from .network import Network, Node
from .spiking import INPUT, ConvMap, Population, Projection, SpikingNetwork


def network_faults(network: Network) -> Iterator[str]:
    """Yield what is wrong with level 1: names, order, shapes, numbers that are not finite."""
    shapes = {level1.INPUT: network.input_shape}
    for node in network.nodes:
        if node.name in shapes:
            yield f"two values are called '{node.name}'"
        missing = [name for name in node.inputs if name not in shapes]
        if missing:
            yield f"'{node.name}' reads {missing}, which no earlier node computes"
        else:
            yield from _shape_faults(node, tuple(shapes[name] for name in node.inputs))
        shapes[node.name] = node.shape
    if network.output not in shapes:
        yield f"the output '{network.output}' is not computed"


def _shape_faults(node: Node, shapes: tuple[tuple[int, ...], ...]) -> Iterator[str]:
    try:
        result = node.operator.result_shape(shapes)
    except ValueError as error:
        yield f"'{node.name}': {error}"
        return
    if result != node.shape:
        yield f"'{node.name}' has shape {node.shape}, its operator gives {result}"


def spiking_faults(spiking: SpikingNetwork) -> Iterator[str]:
    """Yield what is wrong with level 2."""
    known = {INPUT}
    for population in spiking.populations:
        if population.name in known:
            yield f"two populations are called '{population.name}'"
        for projection in spiking.incoming(population.name):
            if projection.source not in known:
                yield f"'{projection.name}' comes from '{projection.source}', which is not an earlier population"
            else:
                yield from _projection_faults(spiking, projection)
        yield from _population_faults(population, is_last=population is spiking.readout)
        known.add(population.name)
    depths_set = spiking.readout.depth > 0
    for projection in spiking.projections if depths_set else ():
        source = 0 if projection.source == INPUT else spiking.population(projection.source).depth
        arrival = source + 1 + projection.delay
        if arrival != spiking.population(projection.target).depth or projection.delay < 0:
            yield f"'{projection.name}' arrives at depth {arrival}, not at its target's"


def _population_faults(population: Population, is_last: bool) -> Iterator[str]:
    if (population.threshold is None) != is_last:
        yield f"'{population.name}': the last population, and no other, is the read-out"
    if population.threshold is not None and not (population.threshold > 0).all():
        yield f"'{population.name}' has a threshold that is not positive"
    arrays = (population.threshold, population.initial_potential, population.bias, population.integer_threshold)
    for values in arrays:
        if values is None:
            continue
        if not np.isfinite(values).all():
            yield f"'{population.name}' holds numbers that are not finite"
        if np.broadcast_shapes(values.shape, population.shape) != population.shape:
            yield f"'{population.name}': an array of shape {values.shape} does not fit {population.shape}"


def _projection_faults(spiking: SpikingNetwork, projection: Projection) -> Iterator[str]:
    source, target = spiking.source_shape(projection), spiking.population(projection.target).shape
    weight = projection.map.weight
    if not np.isfinite(weight).all():
        yield f"'{projection.name}' holds weights that are not finite"
    if isinstance(projection.map, ConvMap):
        geometry = projection.map.geometry
        size = geometry.output_size((source[1], source[2]), (weight.shape[2], weight.shape[3]))
        fits = source[0] == weight.shape[1] * geometry.groups and target == (len(weight), *size)
    else:
        fits = weight.shape == (int(np.prod(target)), int(np.prod(source)))
    if not fits:
        yield f"'{projection.name}' with weights {weight.shape} does not map {source} to {target}"
