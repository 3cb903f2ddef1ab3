"""Scores that the float levels give to samples, a few samples at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..ir.network import Network, evaluate
from ..ir.operators import AnyFloat
from ..ir.rates import evaluate_rates
from ..ir.spiking import SpikingNetwork

_BATCH = 32
_VALUES_AT_ONCE = 1 << 24
"""Of the largest population on the samples of a batch (64 MiB); a few like it are held together."""


def network_scores(network: Network, inputs: AnyFloat) -> AnyFloat:
    """Scores (N, classes) of the float network's first result; a sample's do not depend on the others."""
    name = network.results[0]
    return _batched(lambda some: evaluate(network, some, frozenset((name,)))[name], inputs, _BATCH)


def rate_scores(spiking: SpikingNetwork, inputs: AnyFloat) -> AnyFloat:
    """Scores (N, classes) of the first read-out of the ANN of rates, for inputs on the grid of the encoding."""
    largest = max(math.prod(population.shape) for population in spiking.populations)
    batch = int(np.clip(_VALUES_AT_ONCE // largest, 1, _BATCH))
    name = spiking.readout.name

    def scores(some: AnyFloat) -> AnyFloat:
        return evaluate_rates(spiking, _on_grid(some, spiking), keep=frozenset((name,)))[name]

    return _batched(scores, inputs, batch)


def _batched(scores: Callable[[AnyFloat], AnyFloat], inputs: AnyFloat, batch: int) -> AnyFloat:
    parts = (inputs[i : i + batch] for i in range(0, len(inputs), batch))
    return np.concatenate([scores(part).reshape(len(part), -1) for part in parts])


def _on_grid(inputs: AnyFloat, spiking: SpikingNetwork) -> AnyFloat:
    """Inputs as they will be encoded; as they are before the encoding is chosen."""
    signal = spiking.input
    if signal.minimum == signal.maximum:
        return inputs
    steps = np.clip(np.rint(inputs / signal.step), signal.minimum, signal.maximum)
    return np.asarray(steps * signal.step, dtype=inputs.dtype)
