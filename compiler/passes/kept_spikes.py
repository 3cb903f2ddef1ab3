"""What a population sent for all calibration samples, kept until its last reader was run: a bit for each spike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ...runtime.simulator import Sent

_STEPS_OF_BYTE = 8


class InParts(Protocol):
    """Messages of all samples, of which some are asked for at a time."""

    def part(self, first: int, last: int) -> Sent:
        """What was sent for samples ``first`` to ``last``."""


class KeptSpikes:
    """Spikes of ``samples`` samples, put in one part after the other; the steps of a neuron share its bytes.

    Counts, as gated populations send them, are kept as they are.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._filled = 0
        self._timesteps = 0
        self._counts: npt.NDArray[Any] | None = None
        self._steps: npt.NDArray[np.uint8] | None = None

    def put(self, sent: Sent) -> None:
        """Keep the spikes, not payloads, of the samples that follow those that are here."""
        maps = sent.trains[0] if sent.has_trains else sent.counts
        self._timesteps, part = sent.timesteps, slice(self._filled, self._filled + len(maps))
        self._filled = part.stop
        if not sent.has_trains:
            if self._counts is None:
                self._counts = np.empty((self._samples, *maps.shape[1:]), dtype=maps.dtype)
            self._counts[part] = maps
            return
        if self._steps is None:
            size = -(-sent.timesteps // _STEPS_OF_BYTE)
            self._steps = np.zeros((size, self._samples, *maps.shape[1:]), dtype=np.uint8)
        for step, fired in enumerate(sent.trains):
            place, bit = divmod(step, _STEPS_OF_BYTE)
            self._steps[place, part] |= fired << np.uint8(bit)

    def part(self, first: int, last: int) -> Sent:
        """What was sent for samples ``first`` to ``last``, which were put in."""
        from ...runtime.simulator import Sent

        if self._counts is not None:
            return Sent(self._timesteps, counts=self._counts[first:last])
        assert self._steps is not None, "spikes are put in before they are read"
        of_samples = self._steps[:, first:last]
        trains = np.empty((self._timesteps, *of_samples.shape[1:]), dtype=np.uint8)
        for step in range(self._timesteps):
            place, bit = divmod(step, _STEPS_OF_BYTE)
            np.right_shift(of_samples[place], np.uint8(bit), out=trains[step])
        trains &= np.uint8(1)
        return Sent(self._timesteps, trains=trains)
