"""Write the network in the chip's integers.

    W_int = W' Theta / 2^e,   theta_int = Theta,   v0_int = round(v0' Theta),   b_int = nearest bias to b' Theta

W_int is exact, because ``quantize-weights`` left W' on the grid; theta_int is exact by construction. Only v0 and b
are rounded here, and the effect says by how much at worst, in thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...runtime import program as level3
from ...targets import Target
from ..ir.operators import FloatArray
from ..ir.spiking import INPUT, ConvMap, Population, Projection, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level


@dataclass(frozen=True)
class FoldIntegers:
    """theta, v0, b and W become integers in units of threshold / Theta."""

    name: str = "fold-integers"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Build the program; ``worst_rounding`` of v0 and bias is in thresholds."""
        spiking = spiking_level(state)
        program = level3.Program(
            name=spiking.name,
            target=context.target.name,
            schedule="pipelined",
            timesteps=context.timesteps,
            state_minimum=context.target.state_minimum,
            state_maximum=context.target.state_maximum,
            input=level3.InputEncoding(
                spiking.input.sample_shape,
                spiking.input.axes,
                spiking.input.shape,
                spiking.input.step,
                spiking.input.minimum,
                spiking.input.maximum,
            ),
            populations=tuple(_integer_population(p, context.target) for p in spiking.populations),
            projections=tuple(_integer_projection(spiking, p) for p in spiking.projections),
        )
        worst = {p.name: _worst_rounding(p, program.population(p.name)) for p in spiking.populations}
        return Outcome(replace(state, program=program), {"worst_rounding": worst})


def _scale(population: Population) -> FloatArray:
    assert population.integer_threshold is not None, "quantize-weights sets the integer threshold"
    return population.integer_threshold


def _integer_population(population: Population, target: Target) -> level3.Population:
    scale = _scale(population)
    return level3.Population(
        name=population.name,
        shape=population.shape,
        threshold=None if population.threshold is None else _compact(np.rint(scale * population.threshold)),
        initial_potential=_compact(np.rint(population.initial_potential * scale)),
        bias=_compact(target.nearest_bias(np.rint(population.bias * scale).astype(np.int64))),
        depth=population.depth,
    )


def _compact(values: np.ndarray[Any, np.dtype[Any]]) -> level3.IntArray:
    """One value per axis that does not vary, so that equal programs have equal tensors."""
    integers = values.astype(np.int64)
    for axis in range(integers.ndim):
        first = integers.take([0], axis=axis)
        if (integers == first).all():
            integers = first
    return np.ascontiguousarray(integers)


def _integer_projection(spiking: SpikingNetwork, projection: Projection) -> level3.Projection:
    target = spiking.population(projection.target)
    weight = projection.map.weight
    scale = _scale(target)
    if not isinstance(projection.map, ConvMap):
        scale = np.broadcast_to(scale, target.shape)
    units = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1)) / (1 << projection.exponent)
    integers = np.rint(units).astype(np.int64)
    if not np.allclose(units, integers, rtol=0, atol=1e-3):
        raise AssertionError(f"the weights of {projection.name} are not on the integer grid")
    synapses: level3.Synapses
    if isinstance(projection.map, ConvMap):
        synapses = level3.ConvSynapses(integers, projection.map.geometry)
    else:
        synapses = level3.DenseSynapses(integers)
    return level3.Projection(
        name=projection.name,
        source=level3.INPUT if projection.source == INPUT else projection.source,
        target=projection.target,
        synapses=synapses,
        exponent=projection.exponent,
        delay=projection.delay,
    )


def _worst_rounding(population: Population, integers: level3.Population) -> dict[str, float]:
    scale = _scale(population)
    bias = np.abs(integers.bias / scale - population.bias).max()
    initial = np.abs(integers.initial_potential / scale - population.initial_potential).max()
    return {"bias": float(f"{bias:.3g}"), "initial_potential": float(f"{initial:.3g}")}
