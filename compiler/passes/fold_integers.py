"""Write the network in the chip's integers.

    W_int = W' Theta / 2^e,   theta_int = Theta,   v0_int = round(v0' Theta),   b_int = nearest bias to b' Theta

W_int is exact, because ``quantize-weights`` left W' on the grid; theta_int is exact by construction. Only v0 and b
are rounded here, and the effect says by how much at worst, in thresholds. A gated population's v0 takes in the bias
of its whole window, T b, and its gate (see ``gates``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime import program as level3
from ...runtime.program.neuron_models import PLAIN_IF, graded
from ...runtime.program.synapses import narrowest
from ...targets.records import dataclass
from ..ir.network import Network
from ..ir.operators import FloatArray
from ..ir.spiking import (
    INPUT,
    ConvMap,
    DenseMap,
    LinearMap,
    Population,
    Projection,
    SparseMap,
    SpikingNetwork,
)
from .contract import Compilation, Context, Outcome, spiking_level
from .gates import with_gates

_OFF_GRID = 1e-3
_ENTRIES_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class FoldIntegers:
    """theta, v0, b and W become integers in units of threshold / Theta."""

    name: str = "fold-integers"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Build the program; ``worst_rounding`` of v0 and bias is in thresholds."""
        spiking = spiking_level(state)
        ungated = level3.Program(
            name=spiking.name,
            target=context.target.name,
            schedule=context.schedule,
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
                spiking.input.integers,
                spread=spiking.input.spread_over > 1,
                frames=context.frames,
            ),
            populations=tuple(_integer_population(p, context) for p in spiking.populations),
            projections=tuple(integer_projection(spiking, p) for p in spiking.projections),
            neuron=graded() if context.graded else PLAIN_IF,
            score_unit=None if state.network.outputs else _score_unit(spiking.readout, context),
            outputs=tuple(_outputs(state.network, spiking, context)),
        )
        worst = {p.name: _worst_rounding(p, ungated.population(p.name), context) for p in spiking.populations}
        program = with_gates(ungated, context.target)
        effect: dict[str, Any] = {"worst_rounding": worst}
        if program.pulses:
            effect["pulses"] = {
                p.name: {"step": p.step, "largest": int(np.abs(p.potential).max()), "axons": p.axons}
                for p in program.pulses
            }
        return Outcome(replace(state, program=program), effect)


def _outputs(network: Network, spiking: SpikingNetwork, context: Context) -> Iterator[level3.Output]:
    readouts = {readout.activation: readout for readout in spiking.readouts}
    for name, value in network.outputs:
        yield level3.Output(name, readouts[value].name, _score_unit(readouts[value], context))


def _score_unit(readout: Population, context: Context) -> float:
    return 1 / (float(_scale(readout).flat[0]) * context.timesteps)


def _scale(population: Population) -> FloatArray:
    assert population.integer_threshold is not None, "quantize-weights sets the integer threshold"
    return population.integer_threshold


def _integer_population(population: Population, context: Context) -> level3.Population:
    scale = _scale(population)
    initial, bias = population.initial_potential * scale, population.bias * scale
    if population.hold:
        # Nothing fires before the window's end, so the window's whole bias can be there from the beginning.
        initial, bias = initial + context.timesteps * bias, np.zeros_like(bias)
    return level3.Population(
        name=population.name,
        shape=population.shape,
        threshold=None if population.threshold is None else _compact(np.rint(scale * population.threshold)),
        initial_potential=_compact(np.rint(initial)),
        bias=_compact(context.target.nearest_bias(np.rint(bias).astype(np.int64))),
        depth=population.depth,
        gated=population.hold > 0,
        payloads=population.payloads,
    )


def _compact(values: np.ndarray[Any, np.dtype[Any]]) -> level3.IntArray:
    """One value per axis that does not vary, so that equal programs have equal tensors."""
    integers = values.astype(np.int64)
    for axis in range(integers.ndim):
        first = integers.take([0], axis=axis)
        if (integers == first).all():
            integers = first
    return np.ascontiguousarray(integers)


def integer_projection(spiking: SpikingNetwork, projection: Projection) -> level3.Projection:
    """``projection`` in units of its target's integer threshold; AssertionError unless its weights lie on the grid."""
    target = spiking.population(projection.target)
    scale = _scale(target)
    if not isinstance(projection.map, ConvMap):
        scale = np.broadcast_to(scale, target.shape).ravel()
    if isinstance(projection.map, SparseMap):
        scale = scale[projection.map.target]
    integers, off = _whole(projection.map.weight, scale.ravel() / (1 << projection.exponent))
    if off > _OFF_GRID:
        raise AssertionError(f"the weights of {projection.name} are not on the integer grid")
    return level3.Projection(
        name=projection.name,
        source=level3.INPUT if projection.source == INPUT else projection.source,
        target=projection.target,
        synapses=_synapses(projection.map, integers),
        exponent=projection.exponent,
        delay=projection.delay,
    )


def _whole(weight: FloatArray, unit: FloatArray) -> tuple[level3.Weights, float]:
    """``weight`` in steps of 1 / ``unit`` (one for all, or for each row), and how far the farthest is from a whole one.

    A few rows at a time, each as narrow as it can be, so that a large matrix is not there twice.
    """
    rows = np.broadcast_to(unit, len(weight)).reshape(-1, *(1,) * (weight.ndim - 1))
    parts, off = [np.zeros((0, *weight.shape[1:]), dtype=np.int8)], 0.0
    size = max(1, _ENTRIES_AT_ONCE * len(weight) // max(1, weight.size))
    for first in range(0, len(weight), size):
        units = weight[first : first + size] * rows[first : first + size]
        nearest = np.rint(units)
        parts.append(narrowest(nearest.astype(np.int64)))
        units -= nearest
        off = max(off, float(np.abs(units).max(initial=0.0)))
    return np.concatenate(parts), off


def _synapses(linear: LinearMap, weight: level3.Weights) -> level3.Synapses:
    match linear:
        case ConvMap():
            return level3.ConvSynapses(weight, linear.geometry)
        case DenseMap():
            return level3.DenseSynapses(weight)
        case SparseMap():
            kept = weight != 0
            return level3.SparseSynapses(weight[kept].astype(np.int64), linear.source[kept], linear.target[kept])


def _worst_rounding(population: Population, integers: level3.Population, context: Context) -> dict[str, float]:
    scale = _scale(population)
    start = population.initial_potential + (context.timesteps * population.bias if population.hold else 0)
    bias = 0.0 if population.hold else np.abs(integers.bias / scale - population.bias).max()
    initial = np.abs(integers.initial_potential / scale - start).max()
    return {"bias": float(f"{bias:.3g}"), "initial_potential": float(f"{initial:.3g}")}
