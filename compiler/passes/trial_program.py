"""The integers of a spiking network on a chip without limits, for passes that look at spikes before scales are chosen.

A potential has a unit of its own in every channel, Theta of them to a threshold: so many that the largest weight has
eight bits, which the simulator is fastest with, and that no bias loses a sixteenth of a threshold over the window.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime import program as level3
from ..ir.operators import FloatArray
from ..ir.spiking import Population, Projection, SparseMap, SpikingNetwork
from .contract import Context
from .encode_input import finest_encoding, in_messages
from .fold_integers import integer_projection

_LARGEST_WEIGHT = 127
_UNITS_PER_STEP = 8
_STATE = 1 << 50


def with_finest_input(spiking: SpikingNetwork, context: Context) -> SpikingNetwork:
    """``spiking`` before ``encode-input``, with as many bits of input as there can be."""
    return in_messages(replace(spiking, input=finest_encoding(spiking.input, context)))


def trial_program(spiking: SpikingNetwork, timesteps: int) -> level3.Program:
    """The program of ``spiking``, whose input is encoded, from its initial potentials, without pulses."""
    signal = spiking.input
    parts = [trial_layer(spiking, population, timesteps) for population in spiking.populations]
    return level3.Program(
        name=spiking.name,
        target="none",
        schedule="pipelined",
        timesteps=timesteps,
        state_minimum=-_STATE,
        state_maximum=_STATE,
        input=level3.InputEncoding(
            signal.sample_shape,
            signal.axes,
            signal.shape,
            signal.step,
            signal.minimum,
            signal.maximum,
            signal.integers,
        ),
        populations=tuple(population for population, _ in parts),
        projections=tuple(projection for _, incoming in parts for projection in incoming),
    )


def trial_layer(
    spiking: SpikingNetwork, population: Population, timesteps: int
) -> tuple[level3.Population, tuple[level3.Projection, ...]]:
    """One population of the trial program, and what leads to it."""
    units = units_of(spiking, population, timesteps)
    scale = units.reshape(-1, *(1,) * (len(population.shape) - 1))
    scaled = replace(population, integer_threshold=scale)
    return (
        level3.Population(
            name=population.name,
            shape=population.shape,
            threshold=None if population.threshold is None else _integers(scale),
            initial_potential=_integers(population.initial_potential * scale),
            bias=_integers(population.bias * scale),
            depth=0,
            gated=population.hold > 0,
        ),
        tuple(
            integer_projection(spiking.with_parts((scaled,)), _on_grid(projection, scaled))
            for projection in spiking.incoming(population.name)
        ),
    )


def with_layer(
    program: level3.Program, population: level3.Population, incoming: tuple[level3.Projection, ...]
) -> level3.Program:
    """``program`` with another ``population`` of that name, and with what leads to it."""
    changed = {projection.name: projection for projection in incoming}
    return replace(
        program,
        populations=tuple(population if p.name == population.name else p for p in program.populations),
        projections=tuple(changed.get(p.name, p) for p in program.projections),
    )


def units_of(spiking: SpikingNetwork, population: Population, timesteps: int) -> FloatArray:
    """Theta of each channel (C,), of a read-out one for all, so that its potentials can be compared."""
    largest = np.zeros(population.shape[0])
    for projection in spiking.incoming(population.name):
        linear = projection.map
        if isinstance(linear, SparseMap):
            channel = linear.target // (_size(population) // population.shape[0])
            np.maximum.at(largest, channel, np.abs(linear.weight))
        else:
            by_row = np.abs(linear.weight).reshape(population.shape[0], -1)
            largest = np.maximum(largest, by_row.max(axis=1, initial=0.0))
    if population.threshold is None:
        largest = np.full_like(largest, largest.max())
    finest = _LARGEST_WEIGHT / np.maximum(largest, 1e-6)
    return np.asarray(np.floor(np.maximum(finest, _UNITS_PER_STEP * timesteps)))


def _size(population: Population) -> int:
    return int(np.prod(population.shape))


def _integers(values: FloatArray) -> level3.IntArray:
    return np.rint(values).astype(np.int64)


def _on_grid(projection: Projection, scaled: Population) -> Projection:
    linear, scale = projection.map, scaled.integer_threshold
    assert scale is not None, "the units are its integer threshold"
    rows = scale if linear.weight.ndim == 4 else np.broadcast_to(scale, scaled.shape)
    if isinstance(linear, SparseMap):
        rows = rows.ravel()[linear.target]
    rows = rows.reshape(-1, *(1,) * (linear.weight.ndim - 1))
    return replace(projection, map=replace(linear, weight=np.rint(linear.weight * rows) / rows))
