"""Products with sparse matrices in numpy: an entry of every row at a time, added in the order of the entries.

Integer callers pass a float type that holds every partial sum exactly (``exact_float``); for other floats the order of
summation is the same on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels import Floats

Indices = npt.NDArray[np.intp]

_VALUES_AT_ONCE = 1 << 19
"""Sums held at a time: 2 MB in 32-bit floats stay in the second level of the cache."""

_FEWEST_MESSAGES = 64
"""Taken together nevertheless, so that what a step of an entry costs is spread."""


class SparseMatrix:
    """A matrix (targets, sources) of the entries ``weight[k]`` at (``target[k]``, ``source[k]``), ``target`` ascending.

    ``starts`` (targets + 1,): entries ``starts[i]`` to ``starts[i + 1]`` are those of target i.
    """

    def __init__(
        self, weight: Floats, source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], targets: int
    ) -> None:
        self.weight = weight
        self.source: Indices = source.astype(np.intp)
        self.starts: Indices = np.searchsorted(target, np.arange(targets + 1)).astype(np.intp)
        fan_in = np.diff(self.starts)
        self._longest_first: Indices = np.argsort(-fan_in, kind="stable")
        # How many rows have an entry 0, 1, 2 ...: the first so many of the ordered rows.
        longest = np.arange(int(fan_in.max(initial=0)))
        self._rows_with_entry = np.searchsorted(-fan_in[self._longest_first], -longest).tolist()

    def multiply(self, messages: npt.NDArray[Any]) -> Floats:
        """Weighted sums (N, targets), in the type of ``weight``, of ``messages`` (N, sources)."""
        targets = len(self._longest_first)
        sums: Floats = np.empty((len(messages), targets), dtype=self.weight.dtype)
        at_once = max(_FEWEST_MESSAGES, _VALUES_AT_ONCE // max(1, targets))
        for first in range(0, len(messages), at_once):
            part = slice(first, first + at_once)
            by_source = np.ascontiguousarray(messages[part].T, dtype=self.weight.dtype)
            ordered: Floats = np.zeros((targets, by_source.shape[1]), dtype=self.weight.dtype)
            starts = self.starts[self._longest_first]
            for number, rows in enumerate(self._rows_with_entry):
                entries = starts[:rows] + number
                ordered[:rows] += by_source[self.source[entries]] * self.weight[entries, None]
            sums[part, self._longest_first] = ordered.T
        return sums
