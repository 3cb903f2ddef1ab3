"""Weights of a fan-in that are equal for every neuron, as those of overlapping pools are, rounded to equal integers.

What sends through them can then share an input axon. Those of a pool that divides its kernel are one weight already,
see ``unfolded_pools``. Each group of equal columns is one weight on the sum of its messages: with G (F, groups) saying
which column is in which group, the mean of these sums is m G and their covariance G^T C G.
"""

from __future__ import annotations

import numpy as np

from ...runtime.program import IntArray
from ...targets.records import dataclass
from ..ir.operators import FloatArray

_ROUNDING = 2.0**-36
"""Share of the summed variances of messages that the rounding of a sum of up to some thousands of them stays below."""


@dataclass(frozen=True, slots=True, eq=False)
class EqualColumns:
    """Groups of equal columns: ``first`` (groups,) column of each, and the ``group`` (F,) of each column."""

    first: IntArray
    group: IntArray

    @property
    def exist(self) -> bool:
        """Whether any two columns are equal."""
        return len(self.first) < len(self.group)

    def covariance(self, of_messages: FloatArray) -> FloatArray:
        """Covariance (groups, groups) of the sums of messages (F, F), added up in the order of columns.

        A sum whose messages take turns is constant: its variance is zero, and not the rounding that is left of it.
        """
        by_row = np.zeros((len(self.first), len(self.group)))
        for column, group in enumerate(self.group.tolist()):
            by_row[group] += of_messages[column]
        summed = np.zeros((len(self.first), len(self.first)))
        for column, group in enumerate(self.group.tolist()):
            summed[:, group] += by_row[:, column]
        variances = np.bincount(self.group, np.diag(of_messages), len(self.first))
        is_constant = np.diag(summed) <= _ROUNDING * variances
        return np.where(is_constant[:, None] | is_constant, 0.0, summed)


def equal_columns(weight: FloatArray) -> EqualColumns:
    """Groups of equal columns of ``weight`` (F, n)."""
    columns = np.ascontiguousarray(weight)
    kinds = columns.view(np.dtype((np.void, columns.dtype.itemsize * columns.shape[1]))).ravel()
    _, first, group = np.unique(kinds, return_index=True, return_inverse=True)
    return EqualColumns(np.asarray(first), np.asarray(group.reshape(-1)))
