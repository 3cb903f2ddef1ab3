"""A bias for every channel and step that brings counts closest to the ANN's activations on calibration data (ours).

    u(t) = v(t-1) + I(t) + b_c + p_c(t),    p_c(1..T) = argmin mean_{n,h,w} (N / T - a / theta)^2

N is a neuron's count, a the ANN's activation. Layer after layer, on the integer dynamics and on the spikes of the
layers before it, each step's bias is moved by theta/2, then theta/4, theta/8 and theta/16, up or down, where that makes
the channel's error less. p(1) is a part of v0. The others are pulses: an axon per layer and step that always fires
then, or a bias where the target can set one for a single step.

The idea of a bias per step is FTBC's (Wu et al., ECCV 2024), which moves it by what the mean rate of that step misses.
On held-out data that came closer to the ANN than calibrated potentials on some networks and not on others; least
squares came closer on six of seven at T = 4; on the seventh potentials left little to gain (docs/methods/README.md).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from ...runtime.program import IntArray, Population, Program, Pulse
from ...targets import Target
from ..arithmetic import mean
from ..compilation import Built
from ..ir.operators import FloatArray
from ..passes.gates import axons_reaching
from .layer_by_layer import LayerOnData, fit_layer_by_layer
from .method import Method, threshold_of, uncalibrated

_MOVES = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
"""In thresholds."""

_TIMESTEPS = (2, 3, 4, 5, 6, 7, 8)
"""At T = 1 the only bias is v0, and the search takes T^2 as long as a step."""


def _fitted(built: Built) -> Program:
    target = built.context.target
    return fit_layer_by_layer(built, built.program, lambda program, layer: _searched(program, layer, target))


def _searched(program: Program, layer: LayerOnData, target: Target) -> Program:
    population = program.population(layer.name)
    threshold = threshold_of(population)

    def error(biases: tuple[FloatArray, ...]) -> FloatArray:
        counts = layer.counts(with_bias_per_step(program, population, biases, target))
        squared = np.square(counts / np.float64(program.timesteps) - layer.rates)
        places = (2, 3) if squared.ndim == 4 else ()
        return np.asarray(mean(squared, axis=(0, *places), keepdims=True)[0])

    best = tuple(np.zeros(threshold.shape) for _ in range(program.timesteps))
    least = error(best)
    for share, step, sign in product(_MOVES, range(program.timesteps), (1, -1)):
        moved = best[step] + sign * share * threshold
        found = error((*best[:step], moved, *best[step + 1 :]))
        best = (*best[:step], np.where(found < least, moved, best[step]), *best[step + 1 :])
        least = np.minimum(found, least)
    return with_bias_per_step(program, population, best, target)


def with_bias_per_step(
    program: Program, population: Population, biases: tuple[FloatArray, ...], target: Target
) -> Program:
    """Add ``biases``, in weight units by step of the window, to one population: to v0, held within +-theta, and pulses.

    Each broadcasts to the population's shape. Pulses are the nearest ones that ``target`` can deliver.
    """
    threshold = threshold_of(population)
    start = population.initial_potential + np.rint(biases[0]).astype(np.int64)
    changed = replace(population, initial_potential=np.clip(start, -threshold, threshold))
    pulses = (_pulse(population, step, np.rint(b).astype(np.int64), target) for step, b in enumerate(biases[1:], 2))
    return replace(
        program,
        populations=tuple(changed if p.name == population.name else p for p in program.populations),
        pulses=(*program.pulses, *(p for p in pulses if p.weight.any())),
    )


def _pulse(population: Population, step: int, wanted: IntArray, target: Target) -> Pulse:
    name = f"{population.name} step {step}"
    if target.neuron.pulsed_bias is not None and target.neuron.pulsed_bias.value:
        return Pulse(name, population.name, step, target.nearest_bias(wanted), exponent=0, axons=0)
    unit, exponent, axons = axons_reaching(int(np.abs(wanted).max()), target)
    weight = np.rint(wanted / ((unit << exponent) * axons)).astype(np.int64) * unit
    return Pulse(name, population.name, step, weight, exponent, axons)


BIAS_PER_STEP = Method(
    uncalibrated,
    _fitted,
    needs_calibration=True,
    compared_on=("relu", "floor", "round"),
    only_timesteps=_TIMESTEPS,
)
