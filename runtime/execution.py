"""What every backend takes and gives, so that runs can be compared spike by spike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .program import IntArray

SpikeTrains = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """Result of running a program on N samples.

    ``readout`` (N, outputs) int64: the read-out's potential after the T steps in which each sample reaches it.
    ``spike_counts``: total spikes per spiking population over all samples.
    ``spike_trains``: per spiking population (N, T, neurons) 0/1 in uint8, neurons in C order, at the T steps
    of each window in which the population fires; None if not recorded.
    ``steps``: time steps a chip would have taken (``Program.steps``). ``seconds``: wall time of the run.
    """

    backend: str
    readout: IntArray
    spike_counts: dict[str, int]
    spike_trains: dict[str, SpikeTrains] | None
    steps: int
    seconds: float

    @property
    def predictions(self) -> IntArray:
        """Class of the largest read-out per sample; the first of equals."""
        return np.asarray(np.argmax(self.readout, axis=1), dtype=np.int64)
