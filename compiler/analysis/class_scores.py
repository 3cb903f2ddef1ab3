"""Scores that the float levels give to samples, a few samples at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ..ir.network import Network, evaluate, evaluated_at_once
from ..ir.operators import AnyFloat
from ..ir.rates import evaluate_rates
from ..ir.spiking import SpikingNetwork

_BATCH = 32
_VALUES_AT_ONCE = 1 << 24
"""Of the largest population on the samples of a batch (64 MiB); a few like it are held together."""


def network_scores(network: Network, inputs: AnyFloat, progress: Progress = untold) -> AnyFloat:
    """Scores (N, classes) of the float network's first result; a sample's do not depend on the others.

    ``progress(done, total)`` counts samples.
    """
    name = network.results[0]

    def scores(some: AnyFloat) -> AnyFloat:
        return evaluate(network, some, frozenset((name,)))[name]

    return _batched(scores, inputs, evaluated_at_once(network, _BATCH), progress)


def rate_scores(spiking: SpikingNetwork, inputs: AnyFloat, progress: Progress = untold) -> AnyFloat:
    """Scores (N, classes) of the first read-out of the ANN of rates, for inputs on the grid of the encoding.

    ``progress(done, total)`` counts samples.
    """
    largest = max(math.prod(population.shape) for population in spiking.populations)
    batch = int(np.clip(_VALUES_AT_ONCE // largest, 1, _BATCH))
    name = spiking.readout.name

    def scores(some: AnyFloat) -> AnyFloat:
        return evaluate_rates(spiking, _on_grid(some, spiking), keep=frozenset((name,)))[name]

    return _batched(scores, inputs, batch, progress)


def _batched(scores: Callable[[AnyFloat], AnyFloat], inputs: AnyFloat, batch: int, progress: Progress) -> AnyFloat:
    found = list[AnyFloat]()
    for first in range(0, len(inputs), batch):
        part = inputs[first : first + batch]
        found.append(scores(part).reshape(len(part), -1))
        progress(first + len(part), len(inputs))
    return np.concatenate(found)


def _on_grid(inputs: AnyFloat, spiking: SpikingNetwork) -> AnyFloat:
    """Inputs as they will be encoded; as they are before the encoding is chosen."""
    signal = spiking.input
    if signal.minimum == signal.maximum:
        return inputs
    steps = np.clip(np.rint(inputs / signal.step), signal.minimum, signal.maximum)
    return np.asarray(steps * signal.step, dtype=inputs.dtype)
