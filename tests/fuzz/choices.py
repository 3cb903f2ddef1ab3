"""A stream of small decisions: drawn from a seed, or played back so that a finding can be made smaller."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
T = TypeVar("T")


class Choices:
    """Decisions by name of the stream; ``replayed`` decisions come first in place of drawn ones, then zeros.

    Every decision is a whole number from 0 up, and 0 is the plainest option: a list with fewer and smaller numbers
    makes a plainer case. ``taken`` keeps them all.
    """

    def __init__(self, stream: str, replayed: Sequence[int] | None = None) -> None:
        self._random = random.Random(stream)
        self._seed = zlib.crc32(stream.encode())
        self._replayed = None if replayed is None else list(replayed)
        self._arrays = 0
        self.taken: list[int] = []

    def _decide(self, options: int, drawn: int) -> int:
        if self._replayed is None:
            decision = drawn
        else:
            place = len(self.taken)
            decision = self._replayed[place] if place < len(self._replayed) else 0
        decision = min(max(decision, 0), options - 1)
        self.taken.append(decision)
        return decision

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        return low + self._decide(high - low + 1, self._random.randrange(high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of ``options``, the plainest first."""
        return options[self.whole(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        """True with ``probability``; False is the plain case."""
        return bool(self._decide(2, int(self._random.random() < probability)))

    def real(self, low: float, high: float) -> float:
        """One of ten thousand numbers from ``low`` up to below ``high``."""
        return low + (high - low) * self.whole(0, 9999) / 10000

    def array(self) -> np.random.Generator:
        """Generator for the entries of one more array; the entries are no decisions."""
        self._arrays += 1
        return np.random.default_rng((self._seed, self._arrays))
