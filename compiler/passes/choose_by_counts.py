"""Threshold and initial potential of each channel by least squares on spike counts.

    min over theta of  sum (theta N / T - a)^2    where v0 makes the means of theta N / T and a equal

N are counts of the spikes that the layer fires in T steps on its real input, a what they should stand for. The smallest
error alone would prefer silence, whose error adds up in the next layer; equal means do not. Neurons of a channel may
start apart from each other, see ``staggered_starts``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...runtime.program import IntArray, Population
from ...targets.records import dataclass
from ..arithmetic import mean
from ..ir.operators import AnyFloat, FloatArray

if TYPE_CHECKING:
    from ...runtime.simulator import LayerInput, PopulationSimulator

_SHARES = (0.3, 0.4, 0.5, 0.62, 0.78, 1.0)
"""Thresholds that are tried, in the largest value that a channel should have."""
_LEAST = 0.1
"""Threshold of a channel at least, in the layer's own: one that was hardly heard may still be."""
_ROUNDS = 2

Wanted = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """What a population receives on some samples, and ``wanted`` (n, H, W, C), its values in its own thresholds.

    ``stagger``, which broadcasts to the population's shape, is how far starts of a channel's neurons are apart, in
    thresholds.
    """

    simulator: PopulationSimulator
    input: LayerInput
    wanted: Wanted
    timesteps: int
    stagger: FloatArray


def chosen_by_counts(population: Population, received: Received) -> Population:
    """``population`` with the threshold and the initial potential that serve each channel best."""
    largest = received.wanted.max(axis=(0, 1, 2)).reshape(_threshold(population).shape)
    widths = [np.maximum(share * largest, _LEAST) for share in _SHARES]
    trials = [chosen_start(population, received, width) for width in widths]
    errors = np.stack([_error(population, trial, received) for trial in trials])
    best = errors.argmin(axis=0).reshape(_threshold(population).shape)
    return replace(
        population,
        threshold=np.choose(best, [_threshold(trial) for trial in trials]),
        initial_potential=np.choose(best, [trial.initial_potential for trial in trials]),
    )


def chosen_start(population: Population, received: Received, width: AnyFloat) -> Population:
    """``population`` with thresholds of ``width`` times its own, and potentials that make the means equal."""
    own = _threshold(population)
    threshold = np.maximum(np.rint(own * width.astype(np.float64)), 1).astype(np.int64)
    apart = np.rint(received.stagger * threshold).astype(np.int64)
    start = threshold // 2
    trial = replace(population, threshold=threshold, initial_potential=start + apart)
    for _ in range(_ROUNDS):
        missed = mean(_missed(population, trial, received), axis=(0, 1, 2)).reshape(own.shape)
        change = np.rint(received.timesteps * missed * own).astype(np.int64)
        start = np.clip(start + change, -threshold, threshold)
        trial = replace(trial, initial_potential=np.clip(start + apart, -threshold, threshold))
    return trial


def _error(population: Population, trial: Population, received: Received) -> FloatArray:
    """Mean square error of each channel (C,)."""
    return np.asarray(mean(np.square(_missed(population, trial, received)), axis=(0, 1, 2)))


def _missed(population: Population, trial: Population, received: Received) -> Wanted:
    """What the spikes of ``trial`` miss (n, H, W, C), in thresholds of ``population``."""
    spikes = received.simulator.fire(received.input, trial.initial_potential, _threshold(trial))
    value = (_threshold(trial) / _threshold(population)).ravel() / received.timesteps
    return np.asarray(received.wanted - spikes.counts * value.astype(np.float32))


def _threshold(population: Population) -> IntArray:
    assert population.threshold is not None, "a read-out has none to choose"
    return population.threshold
