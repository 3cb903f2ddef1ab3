"""Invariants of the float levels, checked after every pass; what breaks them is a fault of spikec, not of the user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np

from ...runtime.program.coordinates import fault_of_coordinates
from . import network as level1
from .network import Network, Node
from .operators import Clip
from .spiking import INPUT, ConvMap, Population, Projection, SparseMap, SpikingNetwork


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
    except (ValueError, IndexError) as error:
        yield f"'{node.name}': {error}"
        return
    if result != node.shape:
        yield f"'{node.name}' has shape {node.shape}, its operator gives {result}"
    assert is_dataclass(node.operator), "operators are frozen dataclasses"
    if isinstance(node.operator, Clip):
        if not node.operator.low <= node.operator.high:
            yield f"'{node.name}' clips to no range"
        return
    numbers = [getattr(node.operator, option.name) for option in fields(node.operator)]
    if not all(np.isfinite(values).all() for values in numbers if isinstance(values, np.ndarray | float)):
        yield f"'{node.name}' holds numbers that are not finite"


def spiking_faults(spiking: SpikingNetwork) -> Iterator[str]:
    """Yield what is wrong with level 2."""
    known = {INPUT}
    if not spiking.populations:
        yield "there is no population"
        return
    yield from _name_faults(spiking)
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
    if spiking.readout.depth > 0:
        yield from _delay_faults(spiking)


def _name_faults(spiking: SpikingNetwork) -> Iterator[str]:
    targets = {p.name for p in spiking.populations}
    seen = set()
    for projection in spiking.projections:
        if projection.target not in targets:
            yield f"'{projection.name}' goes to '{projection.target}', which is no population"
        if projection.name in seen:
            yield f"two projections are called '{projection.name}'"
        seen.add(projection.name)


def _delay_faults(spiking: SpikingNetwork) -> Iterator[str]:
    depths = {INPUT: 0, **{p.name: p.depth for p in spiking.populations}}
    for projection in spiking.projections:
        if projection.source not in depths or projection.target not in depths:
            continue
        arrival = depths[projection.source] + spiking.fires_after(projection.source) + 1 + projection.delay
        if arrival != depths[projection.target] or projection.delay < 0:
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
        if not _fits(values.shape, population.shape):
            yield f"'{population.name}': an array of shape {values.shape} does not fit {population.shape}"


def _fits(values: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(values, shape) == shape
    except ValueError:
        return False


def _projection_faults(spiking: SpikingNetwork, projection: Projection) -> Iterator[str]:
    source, target = spiking.source_shape(projection), spiking.population(projection.target).shape
    weight = projection.map.weight
    if not np.isfinite(weight).all():
        yield f"'{projection.name}' holds weights that are not finite"
    if isinstance(projection.map, SparseMap):
        fault = fault_of_coordinates(weight, (projection.map.source, projection.map.target), (source, target))
        if fault is not None:
            yield f"'{projection.name}': {fault}"
        return
    if isinstance(projection.map, ConvMap):
        fits = _conv_fits(projection.map, source, target)
    else:
        fits = weight.shape == (int(np.prod(target)), int(np.prod(source)))
    if not fits:
        yield f"'{projection.name}' with weights {weight.shape} does not map {source} to {target}"


def _conv_fits(conv: ConvMap, source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    geometry, weight = conv.geometry, conv.weight
    if weight.ndim != 4 or len(source) != 3 or min(*geometry.stride, *geometry.dilation, geometry.groups) < 1:
        return False
    size = geometry.output_size((source[1], source[2]), (weight.shape[2], weight.shape[3]))
    return (
        len(weight) % geometry.groups == 0
        and source[0] == weight.shape[1] * geometry.groups
        and target == (len(weight), *size)
    )
