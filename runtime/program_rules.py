"""What every program must satisfy before a backend may run it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..targets.diagnostic import Diagnostic, Place
from .program import INPUT, ConvSynapses, IntArray, Population, Program, Projection, Shape


def problems(program: Program, file: str | None = None) -> Iterator[Diagnostic]:
    """Yield every way in which ``program`` contradicts itself; nothing for a sound program."""
    for layer, message in _contradictions(program):
        yield Diagnostic(
            "E613", message, Place(file=file, layer=layer), hint="compile the model again with 'spikec compile'"
        )


def _contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    names = [p.name for p in program.populations]
    if not names:
        yield None, "the program has no population"
        return
    if len(set(names) | {INPUT}) != len(names) + 1:
        yield None, "two populations share a name"
    if program.timesteps < 1:
        yield None, f"the program has {program.timesteps} time steps; at least one is needed"
    if program.schedule != "pipelined":
        yield None, f"the schedule '{program.schedule}' is not known"
    if program.state_minimum >= program.state_maximum:
        yield None, "the range of the membrane potential is empty"
    yield from _input_contradictions(program)
    for position, population in enumerate(program.populations):
        yield from _population_contradictions(population, is_last=position == len(names) - 1)
    for projection in program.projections:
        yield from _projection_contradictions(program, projection, names)


def _input_contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    encoding = program.input
    if sorted(encoding.axes) != list(range(len(encoding.sample_shape))):
        yield INPUT, f"axes {encoding.axes} do not permute a sample of shape {encoding.sample_shape}"
    if np.prod(encoding.sample_shape) != np.prod(encoding.shape) or min(encoding.shape, default=0) < 1:
        yield INPUT, f"a sample of shape {encoding.sample_shape} cannot be viewed as {encoding.shape}"
    if not (np.isfinite(encoding.step) and encoding.step > 0):
        yield INPUT, f"the input step {encoding.step} is not positive"
    if encoding.minimum >= encoding.maximum:
        yield INPUT, f"the input range {encoding.minimum}..{encoding.maximum} is empty"


def _population_contradictions(population: Population, is_last: bool) -> Iterator[tuple[str | None, str]]:
    if (population.threshold is None) != is_last:
        yield population.name, "the last population, and no other, is the read-out without a threshold"
    if population.threshold is not None and int(population.threshold.min()) < 1:
        yield population.name, f"threshold {int(population.threshold.min())} is below 1"
    for title, values in (
        ("threshold", population.threshold),
        ("initial potential", population.initial_potential),
        ("bias", population.bias),
    ):
        if values is not None and not _broadcasts(values, population.shape):
            yield population.name, f"{title} of shape {values.shape} does not fit neurons of shape {population.shape}"


def _projection_contradictions(
    program: Program, projection: Projection, names: list[str]
) -> Iterator[tuple[str | None, str]]:
    if projection.target not in names or projection.source not in [*names, INPUT]:
        yield projection.name, f"connects '{projection.source}' to '{projection.target}', which do not both exist"
        return
    source_depth = 0 if projection.source == INPUT else program.population(projection.source).depth
    target = program.population(projection.target)
    if source_depth + 1 + projection.delay != target.depth or projection.delay < 0:
        yield (
            projection.name,
            f"a delay of {projection.delay} takes depth {source_depth} to {source_depth + 1 + projection.delay}, "
            f"but '{target.name}' is at depth {target.depth}",
        )
    if projection.exponent < 0:
        yield projection.name, f"weight exponent {projection.exponent} is negative"
    if not _fits(projection, program.source_shape(projection), target.shape):
        yield (
            projection.name,
            f"weights of shape {projection.synapses.weight.shape} do not map {program.source_shape(projection)} "
            f"to {target.shape}",
        )


def _broadcasts(values: IntArray, shape: Shape) -> bool:
    try:
        return np.broadcast_shapes(values.shape, shape) == shape
    except ValueError:
        return False


def _fits(projection: Projection, source: Shape, target: Shape) -> bool:
    weight = projection.synapses.weight
    if not isinstance(projection.synapses, ConvSynapses):
        return weight.shape == (int(np.prod(target)), int(np.prod(source)))
    geometry = projection.synapses.geometry
    if weight.ndim != 4 or len(source) != 3 or min(geometry.stride + geometry.dilation + (geometry.groups,)) < 1:
        return False
    rows, columns = geometry.output_size((source[1], source[2]), (weight.shape[2], weight.shape[3]))
    return (
        weight.shape[0] % geometry.groups == 0
        and weight.shape[1] * geometry.groups == source[0]
        and target == (weight.shape[0], rows, columns)
    )
