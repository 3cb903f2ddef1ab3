"""What every backend takes and gives, so that runs can be compared spike by spike."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.records import dataclass
from .program import IntArray, Program
from .program.neuron_models import GRADED

SpikeTrains = npt.NDArray[Any]


def type_of_trains(program: Program) -> type[np.uint8] | type[np.int32]:
    """Integers that hold what the neurons of ``program`` send: bytes for spikes."""
    return np.int32 if program.neuron.name == GRADED else np.uint8


@dataclass(frozen=True, slots=True)
class Way:
    """How messages of ``source`` met their weights on the simulator: by ``kernel``, in so many parts of the work as
    events, for which rows of weights are added, and in so many by dense products. ``is_fixed`` where its weights and
    messages allow one way alone.
    """

    source: str
    kernel: str
    events: int
    dense: int
    is_fixed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """Result of running a program on N samples.

    ``readouts``: per read-out (N, neurons) int64, in the program's order, the potential after the T steps in which
    each sample reaches it.
    ``spike_counts``: total spikes, or messages with a payload, per spiking population over all samples.
    ``spike_trains``: per spiking population (N, T, neurons) 0/1 in uint8, or the payloads of graded neurons in a type
    that holds them, neurons in C order, at the T steps of each window in which the population fires; None if not
    recorded.
    ``steps``: time steps a chip would have taken (``Program.steps``). ``seconds``: wall time of the run.
    ``ways``: per population how it was computed, where the backend tells.
    """

    backend: str
    readouts: dict[str, IntArray]
    spike_counts: dict[str, int]
    spike_trains: dict[str, SpikeTrains] | None
    steps: int
    seconds: float
    ways: dict[str, tuple[Way, ...]] = field(default_factory=dict)

    @property
    def readout(self) -> IntArray:
        """Potentials (N, neurons) of the first read-out."""
        return next(iter(self.readouts.values()))

    @property
    def predictions(self) -> IntArray:
        """Class of each sample by the first read-out, see ``predicted``."""
        return predicted(self.readout)


def predicted(scores: npt.NDArray[Any]) -> IntArray:
    """Class per sample of ``scores`` (N, outputs): the first of the highest; of a single one, 1 where it is above 0."""
    classes = scores[:, 0] > 0 if scores.shape[1] == 1 else np.argmax(scores, axis=1)
    return np.asarray(classes, dtype=np.int64)
