"""Fold a program's gates into initial potentials and pulses.

A gated population starts B below what it would start from, so that no input can make it fire while it integrates;
the gate, a pulse of +B at the first step after, gives it back. In a window of 2T steps a population that is not gated
is closed by a pulse of -C after its T steps, so that nothing reaches the populations behind it while they fire.

    B >= max(0, v0 + sum_j w+_ij N_j - theta_i + 1),    C >= max(0, v_i(T) + T b+_i - theta_i + 1)

B and C are rounded up to what the target can deliver: as axons with the target's weights, or as a bias where the
target can set one for a single step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.program import IntArray, Population, Program, Pulse
from ...runtime.program.synapses import summed_input_range, window_input_range
from ...runtime.program.window_range import after_spike_test
from ...targets import Target


def with_gates(program: Program, target: Target) -> Program:
    """Add gates and closing pulses to ``program``, whose gated populations are marked and have no bias left."""
    if program.window == program.timesteps:
        return program
    populations, pulses = [], []
    for population in program.populations:
        if population.threshold is None:
            populations.append(population)
            continue
        needed = _gate(program, population) if population.gated else _closing(program, population)
        pulse = _pulse(population, program.timesteps + 1, needed, target)
        if population.gated:
            populations.append(replace(population, initial_potential=population.initial_potential - pulse.potential))
            pulses.append(pulse)
        else:
            populations.append(population)
            pulses.append(replace(pulse, weight=-pulse.weight))
    return replace(program, populations=tuple(populations), pulses=tuple(p for p in pulses if p.weight.any()))


def _gate(program: Program, population: Population) -> IntArray:
    _, high = window_input_range(program, population)
    assert population.threshold is not None, "a read-out has no gate"
    return np.asarray(population.initial_potential + np.maximum(high, 0) - population.threshold + 1)


def _closing(program: Program, population: Population) -> IntArray:
    low, high = summed_input_range(program, population)
    threshold = population.threshold
    assert threshold is not None, "a read-out is not closed"
    # Calibration may later move v0 up to a threshold.
    start = np.maximum(population.initial_potential, threshold)
    v = start, start
    for _ in range(program.timesteps):
        v = after_spike_test((v[0] + low + population.bias, v[1] + high + population.bias), threshold, unit=1)
    return np.asarray(v[1] + program.timesteps * np.maximum(population.bias, 0) - threshold + 1)


def _pulse(population: Population, step: int, needed: IntArray, target: Target) -> Pulse:
    least = _per_channel(np.maximum(needed, 0), population)
    name = f"{population.name} {'gate' if population.gated else 'close'}"
    as_bias = target.pulsed_bias_at_least(least)
    if as_bias is not None:
        return Pulse(name, population.name, step, as_bias, exponent=0, axons=0)
    unit, exponent, axons = axons_reaching(int(least.max()), target)
    grid = (unit << exponent) * axons
    return Pulse(name, population.name, step, -(-least // grid) * unit, exponent, axons)


def axons_reaching(largest: int, target: Target) -> tuple[int, int, int]:
    """Step of weights, exponent and number of axons that together raise a potential by ``largest`` >= 0 or more.

    The exponent is the least that serves; there is more than one axon only beyond the largest.
    """
    weights = target.weights
    unit, most = weights.step.value, weights.maximum.value // weights.step.value * weights.step.value
    exponent = next(
        (e for e in range(weights.exponent_maximum.value + 1) if most << e >= largest),
        weights.exponent_maximum.value,
    )
    return unit, exponent, max(1, -(-largest // (most << exponent)))


def _per_channel(values: IntArray, population: Population) -> IntArray:
    """One value per channel of a map, the largest, so that the gate's synapses can share a kernel."""
    if len(population.shape) != 3 or values.ndim != 3:
        return values
    return np.asarray(values.max(axis=(1, 2), keepdims=True))
