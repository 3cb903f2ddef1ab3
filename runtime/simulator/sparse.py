"""Products with sparse matrices in numpy: many rows at a time, entry by entry of a row.

Integer callers pass a float type that holds every partial sum exactly (``exact_float``), so the order of summation
cannot matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels import Floats

Indices = npt.NDArray[np.intp]

_FEWEST_ROWS = 32
"""Rows from which on an entry of all of them is taken at once; what fewer rows have beyond it is a product for each."""

_VALUES_AT_ONCE = 1 << 19
"""Sums held at a time: 2 MB in 32-bit floats stay in the second level of the cache."""


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
        self._order: Indices = np.argsort(-fan_in, kind="stable")
        # How many rows have an entry 0, 1, 2 ...: together with the order these are the first of the ordered rows.
        rows = np.searchsorted(-fan_in[self._order], -np.arange(int(fan_in.max(initial=0)))).tolist()
        self._rows = [count for count in rows if count >= _FEWEST_ROWS]
        self._long = [i for i in self._order[:_FEWEST_ROWS].tolist() if fan_in[i] > len(self._rows)]

    def multiply(self, messages: npt.NDArray[Any]) -> Floats:
        """Weighted sums (N, targets), in the type of ``weight``, of ``messages`` (N, sources)."""
        sums: Floats = np.empty((len(messages), len(self._order)), dtype=self.weight.dtype)
        at_once = max(1, _VALUES_AT_ONCE // max(1, len(self._order)))
        for first in range(0, len(messages), at_once):
            part = slice(first, first + at_once)
            by_source = np.ascontiguousarray(messages[part].T, dtype=self.weight.dtype)
            sums[part] = self._sums(by_source).T
        return sums

    def _sums(self, by_source: Floats) -> Floats:
        ordered: Floats = np.zeros((len(self._order), by_source.shape[1]), dtype=by_source.dtype)
        first_entries = self.starts[self._order]
        for number, rows in enumerate(self._rows):
            entries = first_entries[:rows] + number
            ordered[:rows] += by_source[self.source[entries]] * self.weight[entries, None]
        sums = np.empty_like(ordered)
        sums[self._order] = ordered
        for row in self._long:
            entries_left = slice(self.starts[row] + len(self._rows), self.starts[row + 1])
            sums[row] += self.weight[entries_left] @ by_source[self.source[entries_left]]
        return sums
