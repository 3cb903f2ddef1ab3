"""Spikes of inactivated neurons (He et al. 2024): those that fire although the ANN's activation is not positive.

    confidence(t) = fired and active / fired,    share(t) = fired and inactive / inactive

over neurons and samples, where a neuron fired that sent a spike in the first t steps of a window. Such spikes are most
frequent in early steps, so the authors measure after sixteen of them, by the code that they published.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...runtime.encoding import encode
from ...runtime.execution import SpikeTrains
from ...runtime.program import Program
from ...runtime.program.neuron_models import CONFIDENCE_STEPS
from ...runtime.progress import Report as Progress
from ...runtime.samples import Samples
from ...runtime.simulator import Simulator
from ...targets.records import dataclass
from ..compilation import Built
from ..ir.network import Network, evaluate
from ..passes.split_branches import with_split_branches

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Confidence:
    """Of one layer, over neurons and samples: how many are ``active`` and ``inactive`` in the ANN.

    ``right`` and ``wrong`` tell how many of these fired in the first t steps, for t from 1 on.
    """

    active: int
    inactive: int
    right: tuple[int, ...]
    wrong: tuple[int, ...]

    def fired(self, step: int) -> int:
        """How many fired by ``step``."""
        return self.right[step - 1] + self.wrong[step - 1]

    @property
    def inactive_share(self) -> float:
        """Share (0..1) of neurons that are inactive in the ANN."""
        return self.inactive / (self.active + self.inactive)

    def confidence(self, step: int) -> float:
        """Share (0..1) of active ones of those that fired by ``step``; 1 where none did."""
        return self.right[step - 1] / self.fired(step) if self.fired(step) else 1.0

    def share(self, step: int) -> float:
        """Share (0..1) of the inactive ones that fired by ``step``; 0 where none is inactive."""
        return self.wrong[step - 1] / self.inactive if self.inactive else 0.0

    def __add__(self, other: Confidence) -> Confidence:
        """Of more samples."""
        return Confidence(
            self.active + other.active,
            self.inactive + other.inactive,
            tuple(a + b for a, b in zip(self.right, other.right, strict=True)),
            tuple(a + b for a, b in zip(self.wrong, other.wrong, strict=True)),
        )


def measure_confidence(built: Built, program: Program, samples: Samples) -> dict[str, float]:
    """Confidence (0..1) after 16 steps at most of every layer of ``program``, made from ``built``, that fires."""
    early = replace(program, timesteps=min(program.timesteps, CONFIDENCE_STEPS))
    curves = measure_confidence_curves(built, early, samples)
    return {name: curve.confidence(early.timesteps) for name, curve in curves.items()}


def measure_confidence_curves(
    built: Built, program: Program, samples: Samples, progress: Progress | None = None
) -> dict[str, Confidence]:
    """Confidences for t = 1..T of every firing population of ``program``, made from ``built``, on ``samples``.

    Activations are those of the network before thresholds were chosen. Neurons that a maximum became have none there,
    and are left out. ``progress(done, total)`` counts samples.
    """
    network, _ = with_split_branches(built.pipeline.stages["fold-batch-norm"].network)
    values = {node.name for node in network.nodes}
    activations = {p.name: built.spiking.population(p.name).activation for p in program.firing}
    known = {name: activation for name, activation in activations.items() if activation in values}
    simulator = Simulator(program)
    found: dict[str, Confidence] = {}
    for first in range(0, len(samples), _BATCH):
        part = samples.between(first, min(first + _BATCH, len(samples)))
        trains = simulator.run(encode(program.input, part.inputs)[0], record=True).spike_trains
        assert trains is not None, "they were recorded"
        for name, active in _active(network, part, known).items():
            counted = confidence_of(trains[name], active)
            found[name] = found[name] + counted if name in found else counted
        if progress is not None:
            progress(first + len(part), len(samples))
    return found


def confidence_of(trains: SpikeTrains, active: npt.NDArray[np.bool_]) -> Confidence:
    """Count the neurons of ``trains`` (N, T, neurons) that fired, by whether they are ``active`` (N, neurons)."""
    fired = np.maximum.accumulate(trains, axis=1) > 0
    right = [int(np.count_nonzero(fired[:, step] & active)) for step in range(trains.shape[1])]
    wrong = [int(np.count_nonzero(fired[:, step] & ~active)) for step in range(trains.shape[1])]
    number = int(np.count_nonzero(active))
    return Confidence(number, active.size - number, tuple(right), tuple(wrong))


def _active(network: Network, samples: Samples, activations: dict[str, str]) -> dict[str, npt.NDArray[np.bool_]]:
    values = evaluate(network, samples.as_float(), frozenset(activations.values()))
    return {name: values[value].reshape(len(samples), -1) > 0 for name, value in activations.items()}
