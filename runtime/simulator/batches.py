"""How many samples are in flight: what memory allows, and of that what runs fastest."""

from __future__ import annotations

from ..program import Program

_LARGEST_BYTES = 16 << 20
"""Of what one layer sends or receives, so that those of a residual sum and the spikes stay together below 64 MB:
above it the C library gives freed pages back, and they have to be faulted in again for every layer."""

_FIRST = 64
_GAIN = 0.95


def batch_for_memory(program: Program, width: int = 4) -> int:
    """Samples for which the largest population takes up to 16 MB in a window.

    ``width`` is bytes of a neuron at a step: four for its current as a 32-bit float, one where spikes alone are kept.
    """
    steps = program.timesteps + program.neuron.first_pass
    return max(1, _LARGEST_BYTES // (width * steps * max(p.neurons for p in program.populations)))


class BatchSizes:
    """Sizes of the chunks of a run: fixed, or doubled for as long as that takes less time per sample and memory allows.

    Every size is judged by its second chunk, because the first one also chooses kernels and touches fresh memory.
    """

    def __init__(self, program: Program, fixed: int | None = None, width: int = 4) -> None:
        self._largest = fixed or batch_for_memory(program, width)
        self._size = fixed or min(_FIRST, self._largest)
        self._settled = self._size == self._largest
        self._is_first = True
        self._before: tuple[int, float] | None = None

    def next(self) -> int:
        """Samples that the next chunk should have."""
        return self._size

    def measured(self, samples: int, seconds: float) -> None:
        """Take notice that a chunk of ``samples`` took ``seconds``."""
        if self._settled or samples < self._size:
            return
        if self._is_first:
            self._is_first = False
            return
        pace = seconds / samples
        if self._before is not None and pace > _GAIN * self._before[1]:
            self._size, self._settled = self._before[0], True
            return
        self._before = (self._size, pace)
        self._size, self._is_first = min(2 * self._size, self._largest), True
        self._settled = self._size == self._largest and self._before[0] == self._largest
