"""What every program must satisfy before a backend may run it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from .coordinates import fault_of_coordinates
from .neuron_models import COS, GRADED, LARGEST_PAYLOAD, MSAT, PLAIN_IF, model_faults
from .program import (
    INPUT,
    SPIKES,
    ConvSynapses,
    DenseSynapses,
    IntArray,
    Population,
    Program,
    Projection,
    Pulse,
    Shape,
    SparseSynapses,
)
from .synapses import fan_in_weight, largest_message
from .window_range import window_range

SCHEDULES = ("pipelined", "exact", "mixed")
"""What ``Program.schedule`` can be."""

MAXIMUM_TIMESTEPS = 4096
"""Largest window T; a longer one says nothing that a rate of 1/4096 does not."""

MAXIMUM_NEURONS = 1 << 26
"""Largest population or padded map: 64 times the neurons of a whole Loihi 2, and what a workstation can still hold."""

LONGEST_OUTPUT_NAME = 1024
"""Characters of an output's name, which archives of scores have as the name of a member."""

EXACT = 2.0**53
"""Largest magnitude that a potential or a sum may reach: from there on 64-bit floats skip integers."""

LARGEST_STEP = 2.0**100
"""Largest input step; its reciprocal is the least. Values of 32-bit floats in such steps are finite 64-bit floats."""

LARGEST_MESSAGE = (1 << 31) - 1
"""Largest magnitude of a message's payload: messages travel as 32-bit integers."""

_WORD = 62
"""Bits of the largest state that a target may have; the rest of 64 bits is room for one sum."""


def problems(program: Program, file: str | None = None) -> Iterator[Diagnostic]:
    """Yield every way in which ``program`` contradicts itself; nothing for a sound program."""
    found = list(_contradictions(program))
    for layer, message in found or _out_of_reach(program):
        yield Diagnostic(
            "E613", message, Place(file=file, layer=layer), hint="compile the model again with 'spikec compile'"
        )


def _contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    names = [p.name for p in program.populations]
    if not names:
        yield None, "the program has no population"
        return
    yield from _name_contradictions(program)
    if not 1 <= program.timesteps <= MAXIMUM_TIMESTEPS:
        yield None, f"the program has {program.timesteps} time steps, not 1 to {MAXIMUM_TIMESTEPS}"
    if program.schedule not in SCHEDULES:
        yield None, f"the schedule '{program.schedule}' is not known"
    elif program.schedule == "pipelined" and any(p.gated for p in program.populations):
        yield None, "the schedule is pipelined, but a population is gated"
    if not -(1 << _WORD) <= program.state_minimum < 0 < program.state_maximum < 1 << _WORD:
        yield None, f"the membrane potential's range {program.state_minimum}..{program.state_maximum} is not sound"
    yield from _neuron_contradictions(program)
    yield from _input_contradictions(program)
    reached = {projection.target for projection in program.projections}
    read = {projection.source for projection in program.projections}
    for population in program.populations:
        if population.name not in reached:
            yield population.name, "no projection reaches the population"
        if population.name not in read and population.threshold is not None:
            # Its window may end after the read-outs', so that one backend would see more of it than another.
            yield population.name, "no projection leaves the population, so it cannot matter"
        yield from _population_contradictions(population)
    yield from _readout_contradictions(program, read)
    for projection in program.projections:
        yield from _projection_contradictions(program, projection, names)
    for pulse in program.pulses:
        yield from _pulse_contradictions(program, pulse, names)
    if program.schedule == "exact" and program.timesteps > 1:
        yield from _timing_contradictions(program)


def _name_contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    kinds = {
        "population": [p.name for p in program.populations],
        "projection": [p.name for p in program.projections],
        "pulse": [p.name for p in program.pulses],
        "output": [o.name for o in program.outputs],
    }
    for kind, names in kinds.items():
        for name in sorted(name for name, times in Counter(names).items() if times > 1):
            yield name, f"two {kind}s share a name"
        for name in sorted({name for name in names if not (name and name.isprintable())}):
            yield None, f"the name {name!r} of a {kind} is empty or cannot be printed"
    if any(population.name == INPUT for population in program.populations):
        yield INPUT, "a population has the name of the input"
    for what, text in (("name", program.name), ("target", program.target)):
        if not text.isprintable():
            yield None, f"the program's {what} {text!r} cannot be printed"


def _out_of_reach(program: Program) -> Iterator[tuple[str | None, str]]:
    for population in program.populations:
        if _reach(program, population) >= EXACT:
            yield population.name, "potentials can leave the integers that every backend computes exactly, 2^53"
            continue
        if any(p.gated for p in program.populations):
            yield from _gate_contradictions(program, population)


def _gate_contradictions(program: Program, population: Population) -> Iterator[tuple[str | None, str]]:
    reach = window_range(program, population)
    if reach.loudest is not None and int(reach.loudest.max()) >= 0:
        phase = "while it integrates" if population.gated else "after its window"
        yield population.name, f"the population can fire {phase}, by {int(reach.loudest.max()) + 1} weight units"
    saturates = reach.lowest.min() < program.state_minimum or reach.highest.max() > program.state_maximum
    if population.gated and saturates:
        yield population.name, "the potential of a gated population can leave the state, so its count is not exact"


def _neuron_contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    firing = tuple(p.name for p in program.populations if p.threshold is not None)
    for fault in model_faults(program.neuron, firing):
        yield None, fault
    if program.neuron != PLAIN_IF and (program.schedule != "pipelined" or program.pulses):
        yield None, f"the neuron model '{program.neuron.name}' runs pipelined, without gates and pulses"
    is_graded = program.neuron.name == GRADED
    if is_graded and program.timesteps != 1:
        yield None, f"graded neurons send everything in one step, but the program has {program.timesteps}"
    for population in program.populations:
        low, high = population.payloads
        if population.payloads != SPIKES and (not is_graded or population.threshold is None):
            yield population.name, f"payloads {low}..{high} are those of graded neurons alone"
        if not -LARGEST_MESSAGE <= low <= 0 < high <= LARGEST_MESSAGE:
            yield population.name, f"payloads {low}..{high} do not reach from 0 or below to 1 or above, in 32 bits"


def _input_contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    encoding = program.input
    if sorted(encoding.axes) != list(range(len(encoding.sample_shape))):
        yield INPUT, f"axes {encoding.axes} do not permute a sample of shape {encoding.sample_shape}"
    if not _is_shape(encoding.shape) or not _is_shape(encoding.sample_shape):
        yield INPUT, f"shapes {encoding.sample_shape} and {encoding.shape} are not those of an input"
    elif math.prod(encoding.sample_shape) != math.prod(encoding.shape):
        yield INPUT, f"a sample of shape {encoding.sample_shape} cannot be viewed as {encoding.shape}"
    if not 1 / LARGEST_STEP <= encoding.step <= LARGEST_STEP:
        yield INPUT, f"the input step {encoding.step} is not positive, or beyond {LARGEST_STEP:g}"
    if encoding.minimum >= encoding.maximum:
        yield INPUT, f"the input range {encoding.minimum}..{encoding.maximum} is empty"
    if encoding.spread and program.neuron != PLAIN_IF:
        yield INPUT, f"the input is spread over the window, but the neuron model is '{program.neuron.name}'"
    if max(abs(encoding.minimum), abs(encoding.maximum)) >= 1 << 31:
        yield INPUT, f"the input range {encoding.minimum}..{encoding.maximum} does not fit 32 bits"


def _readout_contradictions(program: Program, read: set[str]) -> Iterator[tuple[str | None, str]]:
    readouts = tuple(p.name for p in program.readouts)
    if not readouts or program.populations != (*program.firing, *program.readouts):
        yield program.populations[-1].name, "the last populations, and no others, are read-outs without a threshold"
    for name in readouts:
        if name in read:
            yield name, "a projection leaves the read-out, which never fires"
    outputs = program.outputs
    if not outputs and len(readouts) > 1:
        yield None, f"the program has {len(readouts)} read-outs and does not say which outputs they are"
    if not outputs:
        return
    if len(outputs) == 1 or program.score_unit is not None:
        yield None, "outputs are listed, each with its unit, where there are several, and only there"
    if max(len(output.name) for output in outputs) > LONGEST_OUTPUT_NAME:
        yield None, f"an output's name is longer than {LONGEST_OUTPUT_NAME} characters"
    if tuple(dict.fromkeys(output.readout for output in outputs)) != readouts:
        yield None, "the read-outs are not those of the outputs, in their order"


def _population_contradictions(population: Population) -> Iterator[tuple[str | None, str]]:
    if not _is_shape(population.shape):
        yield population.name, f"shape {population.shape} is not one of 1 to {MAXIMUM_NEURONS} neurons"
        return
    if population.gated and population.threshold is None:
        yield population.name, "the read-out is gated, but it never fires"
    if population.gated and population.bias.any():
        yield population.name, "a gated population has a bias, which would act while it fires"
    if population.threshold is not None and int(population.threshold.min(initial=1)) < 1:
        yield population.name, f"threshold {int(population.threshold.min())} is below 1"
    for title, values in (
        ("threshold", population.threshold),
        ("initial potential", population.initial_potential),
        ("bias", population.bias),
    ):
        if values is not None and not _broadcasts(values, population.shape):
            yield population.name, f"{title} of shape {values.shape} does not fit neurons of shape {population.shape}"
        if values is not None and not _is_below(values, _WORD):
            yield population.name, f"{title} does not fit {_WORD} bits"


def _timing_contradictions(program: Program) -> Iterator[tuple[str | None, str]]:
    for population in program.populations:
        if population.gated or population.threshold is None:
            continue
        starts_inside = (population.initial_potential >= 0) & (population.initial_potential <= population.threshold)
        varies = (
            program.input.spread
            or program.input.frames
            or any(p.source != INPUT for p in program.incoming(population.name))
        )
        if varies or not starts_inside.all():
            yield population.name, "the schedule is exact, but the population's count depends on timing"


def _pulse_contradictions(program: Program, pulse: Pulse, names: list[str]) -> Iterator[tuple[str | None, str]]:
    if pulse.target not in names:
        yield pulse.name, f"the pulse's target '{pulse.target}' does not exist"
        return
    population = program.population(pulse.target)
    gated = any(p.gated for p in program.populations)
    last = program.timesteps + 1 if population.gated else program.timesteps * (2 if gated else 1)
    if not 1 <= pulse.step <= last:
        yield pulse.name, f"the pulse comes at step {pulse.step} of the window, not 1 to {last}"
    if not _broadcasts(pulse.weight, population.shape):
        yield pulse.name, f"a pulse of shape {pulse.weight.shape} does not fit neurons of shape {population.shape}"
    if not (_is_below(pulse.weight, 31) and 0 <= pulse.exponent <= 31 and 0 <= pulse.axons < 1 << 31):
        yield pulse.name, "the pulse's weight, exponent or number of axons does not fit 31 bits"


def _projection_contradictions(
    program: Program, projection: Projection, names: list[str]
) -> Iterator[tuple[str | None, str]]:
    if projection.target not in names or projection.source not in [*names, INPUT]:
        yield projection.name, f"connects '{projection.source}' to '{projection.target}', which do not both exist"
        return
    if projection.source != INPUT and names.index(projection.source) >= names.index(projection.target):
        yield projection.name, f"'{projection.source}' does not come before '{projection.target}'"
    source_depth = 0 if projection.source == INPUT else program.population(projection.source).depth
    target = program.population(projection.target)
    arrival = source_depth + program.fires_after(projection.source) + 1 + projection.delay
    if arrival != target.depth or projection.delay < 0:
        yield (
            projection.name,
            f"a delay of {projection.delay} takes depth {source_depth} to {arrival}, "
            f"but '{target.name}' is at depth {target.depth}",
        )
    if not 0 <= projection.exponent <= 31:
        yield projection.name, f"weight exponent {projection.exponent} is not 0 to 31"
    elif not _is_below(projection.synapses.weight, 31):
        yield projection.name, "a weight does not fit 32 bits"
    if isinstance(projection.synapses, SparseSynapses):
        fault = _sparse_fault(projection.synapses, program.source_shape(projection), target.shape)
        if fault is not None:
            yield projection.name, fault
    elif not _fits(projection, program.source_shape(projection), target.shape):
        yield (
            projection.name,
            f"weights of shape {projection.synapses.weight.shape} do not map {program.source_shape(projection)} "
            f"to {target.shape}",
        )


def _reach(program: Program, population: Population) -> float:
    """Bound of every potential and partial sum in a window; in floats, which cannot wrap around.

    In weight units, or in 1/256 of one where the neuron model has fractions.
    """
    drive = _largest(population.bias)
    for projection in program.incoming(population.name):
        # Without its exponent: a sum of at most 2^26 weights below 2^31 does not wrap.
        fan_in = float(fan_in_weight(program, replace(projection, exponent=0)).max())
        drive += fan_in * 2.0 ** min(projection.exponent, _WORD) * largest_message(program, projection)
    drive += sum(
        _largest(p.weight) * 2.0**p.exponent * max(p.axons, 1) for p in program.pulses if p.target == population.name
    )
    threshold = 0.0 if population.threshold is None else _largest(population.threshold)
    start, steps = _largest(population.initial_potential), max(program.timesteps, program.neuron.first_pass)
    if program.neuron.name == COS:
        # A shifted potential is the first one and what the first pass can reach.
        start, steps, threshold = 2 * start, steps + program.neuron.first_pass, 2 * threshold
    reach = start + steps * drive + 2 * threshold
    if program.neuron.name == MSAT:
        # The sum of potentials over the window is kept as well.
        return reach * LARGEST_PAYLOAD * program.timesteps
    return reach


def _largest(values: IntArray) -> float:
    return float(np.abs(values.astype(np.float64)).max())


def _is_shape(shape: Shape) -> bool:
    return len(shape) > 0 and min(shape) >= 1 and math.prod(shape) <= MAXIMUM_NEURONS


def _is_below(values: IntArray, bits: int) -> bool:
    return -(1 << bits) <= int(values.min(initial=0)) and int(values.max(initial=0)) < 1 << bits


def _broadcasts(values: IntArray, shape: Shape) -> bool:
    try:
        return values.size > 0 and np.broadcast_shapes(values.shape, shape) == shape
    except ValueError:
        return False


def _fits(projection: Projection, source: Shape, target: Shape) -> bool:
    weight = projection.synapses.weight
    if not (_is_shape(source) and _is_shape(target)) or weight.size == 0:
        return False
    if isinstance(projection.synapses, DenseSynapses):
        return weight.shape == (math.prod(target), math.prod(source))
    assert isinstance(projection.synapses, ConvSynapses), "coordinates are checked by themselves"
    geometry = projection.synapses.geometry
    if weight.ndim != 4 or len(source) != 3 or min(geometry.stride + geometry.dilation + (geometry.groups,)) < 1:
        return False
    top, left, bottom, right = geometry.padding
    if not _is_shape((source[0], source[1] + top + bottom, source[2] + left + right)):
        return False
    rows, columns = geometry.output_size((source[1], source[2]), (weight.shape[2], weight.shape[3]))
    return (
        weight.shape[0] % geometry.groups == 0
        and weight.shape[1] * geometry.groups == source[0]
        and target == (weight.shape[0], rows, columns)
    )


def _sparse_fault(synapses: SparseSynapses, source: Shape, target: Shape) -> str | None:
    if not (_is_shape(source) and _is_shape(target)):
        return f"coordinates do not map {source} to {target}"
    fault = fault_of_coordinates(synapses.weight, (synapses.source, synapses.target), (source, target))
    return "a weight with coordinates is 0" if fault is None and not synapses.weight.all() else fault
