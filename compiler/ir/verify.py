"""Invariants of the float levels, checked after every pass; what breaks them is a fault of spikec, not of the user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np

from ...runtime.program.coordinates import fault_of_coordinates
from . import network as level1
from .network import Network, Node
from .operators import AnyFloat, Clip, FloatArray, Operator
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
    if isinstance(node.operator, Clip):
        if not node.operator.low <= node.operator.high:
            yield f"'{node.name}' clips to no range"
    elif not is_finite(node.operator):
        yield f"'{node.name}' holds numbers that are not finite"


def numbers_of(operator: Operator) -> tuple[AnyFloat | float, ...]:
    """Numbers and arrays of floats that ``operator`` is made of."""
    assert is_dataclass(operator), "operators are frozen dataclasses"
    values = (getattr(operator, field.name) for field in fields(operator))
    return tuple(v for v in values if isinstance(v, float) or (isinstance(v, np.ndarray) and v.dtype.kind == "f"))


def is_finite(operator: Operator) -> bool:
    """Whether all numbers of ``operator`` are; the bounds of a clip need not be."""
    return isinstance(operator, Clip) or all(bool(np.isfinite(values).all()) for values in numbers_of(operator))


def overflowed_nodes(network: Network) -> tuple[str, ...]:
    """Nodes of level 1 that hold numbers which are not finite."""
    return tuple(node.name for node in network.nodes if not is_finite(node.operator))


def overflowed_populations(spiking: SpikingNetwork) -> tuple[str, ...]:
    """Populations of level 2 that hold numbers which are not finite, or receive through weights which are not."""
    found = {p.target for p in spiking.projections if not np.isfinite(p.map.weight).all()}
    found |= {p.name for p in spiking.populations if not all(np.isfinite(v).all() for v in _arrays(p))}
    return tuple(p.name for p in spiking.populations if p.name in found)


def _arrays(population: Population) -> tuple[FloatArray, ...]:
    given = (population.threshold, population.initial_potential, population.bias, population.integer_threshold)
    return tuple(values for values in given if values is not None)


def spiking_faults(spiking: SpikingNetwork) -> Iterator[str]:
    """Yield what is wrong with level 2."""
    known, silent = {INPUT}, {p.name for p in spiking.readouts}
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
            elif projection.source in silent:
                yield f"'{projection.name}' comes from '{projection.source}', which is a read-out"
            else:
                yield from _projection_faults(spiking, projection)
        yield from _population_faults(population)
        known.add(population.name)
    if not spiking.readouts or spiking.populations != (*spiking.firing, *spiking.readouts):
        yield "the last populations, and no others, are read-outs"
        return
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


def _population_faults(population: Population) -> Iterator[str]:
    if population.threshold is not None and not (population.threshold > 0).all():
        yield f"'{population.name}' has a threshold that is not positive"
    for values in _arrays(population):
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
