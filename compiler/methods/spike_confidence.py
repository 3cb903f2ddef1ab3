"""Spikes of inactivated neurons (He et al. 2024): those that fire although the ANN's activation is not positive.

    confidence = fired and active / fired,    share = fired and inactive / inactive

over neurons and samples after the first steps of a window, in which such spikes are most frequent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.encoding import encode
from ...runtime.program import Program
from ...runtime.program.neuron_models import CONFIDENCE_STEPS
from ...runtime.samples import Samples
from ...runtime.simulator import simulate
from ...targets.records import dataclass
from ..compilation import Built
from ..ir.network import evaluate
from ..passes.split_branches import with_split_branches

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Confidence:
    """Of one layer: ``confidence`` (0..1) of a neuron that fired, 1 where none did, and ``share`` of inactive neurons
    that fired, 0 where none is inactive."""

    confidence: float
    share: float


def measure_confidence(built: Built, program: Program, samples: Samples) -> dict[str, Confidence]:
    """Return the confidence of every firing population of ``program``, made from ``built``, after 16 steps at most.

    Activations are those of the network before thresholds were chosen.
    """
    early = replace(program, timesteps=min(program.timesteps, CONFIDENCE_STEPS))
    network, _ = with_split_branches(built.pipeline.stages["fold-batch-norm"].network)
    names = {p.name: built.spiking.population(p.name).activation for p in program.firing}
    counts = {name: np.zeros(3, dtype=np.int64) for name in names}
    inputs = samples.as_float()
    for first in range(0, len(samples), _BATCH):
        part = samples.between(first, min(first + _BATCH, len(samples)))
        trains = simulate(early, encode(early.input, part.inputs)[0], record=True).spike_trains
        assert trains is not None, "they were recorded"
        values = evaluate(network, inputs[first : first + _BATCH], frozenset(names.values()))
        for name, activation in names.items():
            active = values[activation].reshape(len(part), -1) > 0
            fired = trains[name].any(axis=1)
            found = (np.count_nonzero(fired & active), np.count_nonzero(fired & ~active), np.count_nonzero(~active))
            counts[name] += np.array(found, dtype=np.int64)
    return {name: _confidence(*map(int, found)) for name, found in counts.items()}


def _confidence(right: int, wrong: int, inactive: int) -> Confidence:
    fired = right + wrong
    return Confidence(right / fired if fired else 1.0, wrong / inactive if inactive else 0.0)
