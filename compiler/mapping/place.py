"""Divide every population of a program over cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...runtime.program import ConvSynapses, IntArray, Population, Program
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold, within
from ...targets import Number, Target
from .boxes import BoolArray
from .candidates import (
    CONFIGURATIONS,
    FORMATS,
    INPUT_AXONS,
    NEURONS,
    OUTPUT_AXONS,
    SYNAPSE_MEMORY,
    THRESHOLDS,
    candidates,
)
from .connectivity import as_map, connectivity
from .coordinates import SparseConnectivity
from .core_use import core_use
from .divide import Division, Layer, divide, fewest_cores, single_neuron
from .forms import Link
from .loads import border_of, box_loads, thresholds_of
from .pack import Load, pack
from .place_layers import place_layers
from .placement import HeldProjection, LayerPlacement, Placement, ResourceUse
from .readers import most_messages
from .synapse_lists import ListFormat, list_format, pulse_axons

_PARTS = 100
_SEEN, _PLACED = 8, 90
"""Parts done once the layers are known, and once they are placed; what may be left is another way to hold synapses."""
_DIVIDED, _LOADED = 20, 80
"""Parts of placing done once the layers are divided, and once their boxes are known, before these share cores."""

_MOST_BOXES_PER_CORE = 2
_FEW_BOXES = 512
"""A division into more boxes than these, and than so many per core, is not worth placing in full."""


def place(program: Program, target: Target, progress: Progress = untold) -> Placement:
    """Give each population of ``program`` cores of ``target``, all together as few as its limits allow.

    Every layer is cut into boxes that fit a core, and boxes that leave room on theirs share it with others where the
    target says how many neurons a core has. A layer of which a single neuron breaks a limit is placed as if that limit
    were not there; its ``uses`` say so. ``progress(done, total)`` is told shares of the time that it takes, about.
    """
    placement = _with_fewest_cores(program, target, progress)
    progress(_PARTS, _PARTS)
    return placement


def _with_fewest_cores(program: Program, target: Target, progress: Progress) -> Placement:
    if target.layer_cores is not None:
        return place_layers(program, target, target.layer_cores)
    layers = _layers(program, target, within(progress, 0, _SEEN, _PARTS))
    placement = _placement(program, target, layers, within(progress, _SEEN, _PLACED, _PARTS))
    sharing = target.synapses.population_axons or target.synapses.shared_axons
    if sharing is None or not any(isinstance(p.synapses, ConvSynapses) for p in program.projections):
        return placement
    # Layers are divided one after another, so that more ways to hold their synapses may end in more cores.
    unrolled = replace(target, synapses=replace(target.synapses, population_axons=None, shared_axons=None))
    layers = _layers(program, unrolled, within(progress, _PLACED, _PARTS, _PARTS))
    if divide(layers, _values(target), unrolled).cores > max(_FEW_BOXES, _MOST_BOXES_PER_CORE * placement.cores):
        return placement
    other = replace(_placement(program, unrolled, layers, untold), bound=placement.bound)
    return other if other.placeable and other.cores < placement.cores else placement


def _placement(program: Program, target: Target, layers: tuple[Layer, ...], progress: Progress) -> Placement:
    limits, values = _limits(target), _values(target)
    division = divide(layers, values, target)
    any_threshold = (
        divide(layers, {k: v for k, v in values.items() if k != THRESHOLDS}, target)
        if THRESHOLDS in values
        else division
    )
    progress(_DIVIDED, _PARTS)
    loads = _loads(program, layers, division, target, within(progress, _DIVIDED, _LOADED, _PARTS))
    cores = _cores(loads, values, target)
    return Placement(
        target.name,
        tuple(
            _placed(program, layer, (division, any_threshold), load, core, limits, target)
            for layer, load, core in zip(layers, loads, cores, strict=True)
        ),
        bound=fewest_cores(layers, values),
        use=core_use([box for load in loads for box in load], np.concatenate(cores)),
    )


def _loads(
    program: Program, layers: tuple[Layer, ...], division: Division, target: Target, progress: Progress
) -> list[tuple[Load, ...]]:
    """What each box of each layer asks of its core; ``progress`` counts boxes."""
    boxes = [int(layer.candidates.options.boxes[division.chosen[layer.name][1:]]) for layer in layers]
    loads, done = list[tuple[Load, ...]](), 0
    for layer, of_layer in zip(layers, boxes, strict=True):
        loads.append(box_loads(program.population(layer.name), layer, division, target))
        done += of_layer
        progress(done, sum(boxes))
    return loads


def _values(target: Target) -> dict[str, int]:
    return {name: limit.value for name, (limit, _) in _limits(target).items() if limit is not None}


def _layers(program: Program, target: Target, progress: Progress) -> tuple[Layer, ...]:
    shared = target.synapses.shared_axons
    links = tuple(
        connectivity(
            p, program.source_shape(p), program.population(p.target).shape, shared_axons=bool(shared and shared.value)
        )
        for p in program.projections
    )
    found = []
    for population in program.populations:
        incoming = tuple(link for link in links if link.projection.target == population.name)
        stored = tuple((link, list_format(link.projection, target)) for link in incoming)
        pulses = pulse_axons(program, population.name, target)
        judged = candidates(as_map(population.shape), stored, _thresholds_of_channels(population), pulses, target)
        outgoing = tuple(link for link in links if link.projection.source == population.name)
        formats = tuple(each for _, each in stored)
        found.append(Layer(population.name, judged, incoming, formats, pulses, outgoing))
        progress(len(found), len(program.populations))
    return tuple(found)


def _thresholds_of_channels(population: Population) -> BoolArray:
    distinct, which = thresholds_of(population)
    has = np.zeros((len(which), max(len(distinct), 1)), dtype=bool)
    if len(distinct):
        has[np.arange(len(which))[:, None], which.reshape(len(which), -1)] = True
    return has


def _cores(loads: list[tuple[Load, ...]], values: Mapping[str, int], target: Target) -> list[IntArray]:
    """Core of every box, by layer."""
    ends = np.cumsum([len(each) for each in loads])
    boxes = tuple(load for each in loads for load in each)
    cores = np.arange(len(boxes)) if target.core.neurons is None else pack(boxes, values)
    return np.split(cores, ends[:-1])


def _placed(
    program: Program,
    layer: Layer,
    divisions: tuple[Division, Division],
    loads: tuple[Load, ...],
    cores: IntArray,
    limits: Mapping[str, tuple[Number | None, str]],
    target: Target,
) -> LayerPlacement:
    division, any_threshold = divisions
    population = program.population(layer.name)
    judged, index = layer.candidates, division.chosen[layer.name]
    whole, tile = as_map(population.shape), judged.tile(index)
    messages = most_messages(division.sent[layer.name], judged.options)
    uses = tuple(
        ResourceUse(
            name,
            _fullest(loads, name),
            single_neuron(judged, messages if name == OUTPUT_AXONS else judged.needs[name]),
            limit,
            unit,
        )
        for name, (limit, unit) in limits.items()
    )
    pulsed = sum(lines for lines, _ in layer.pulses)
    return LayerPlacement(
        name=population.name,
        map=whole,
        tile=tile,
        border=border_of(layer, division),
        core=cores.reshape([-(-length // size) for length, size in zip(whole, tile, strict=True)]),
        cores_any_threshold=int(judged.options.boxes[any_threshold.chosen[layer.name][1:]]),
        uses=uses,
        synapses=sum(link.synapses for link in layer.incoming) + pulsed * population.neurons,
        stored_once=sum(link.stored_once for link in layer.incoming) + pulsed * whole[0],
        threshold_configurations=0 if population.threshold is None else len(np.unique(population.threshold)),
        held=tuple(
            _held(link, form, stored)
            for link, form, stored in zip(layer.incoming, judged.held(index), layer.stored, strict=True)
        ),
    )


def _fullest(loads: tuple[Load, ...], name: str) -> int:
    return max(load.alone[name] if name in load.alone else len(load.kinds[name]) for load in loads)


def _held(link: Link, form: str, stored: ListFormat) -> HeldProjection:
    pool = (1, 1) if isinstance(link, SparseConnectivity) else link.pool
    return HeldProjection(link.projection.name, form, pool, stored.weight_bits, stored.delay_bits)


def _limits(target: Target) -> dict[str, tuple[Number | None, str]]:
    return {
        NEURONS: (target.core.neurons, "compartments"),
        INPUT_AXONS: (target.core.input_axons, "axons"),
        OUTPUT_AXONS: (target.core.output_axons, "axons"),
        SYNAPSE_MEMORY: (target.core.synapse_memory_bits, "bits"),
        THRESHOLDS: (target.neuron.threshold_configurations, "thresholds"),
        FORMATS: (target.core.synapse_formats, "formats"),
        CONFIGURATIONS: (target.core.compartment_configurations, "configurations"),
    }
