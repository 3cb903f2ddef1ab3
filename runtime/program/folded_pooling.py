"""Sum pooling that was folded into the kernel behind it leaves runs of equal weights: kron(W, ones(k, k))."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from .geometry import ConvGeometry

Weights = npt.NDArray[Any]

_ENTRIES_AT_ONCE = 1 << 16


def comes_in_runs(weight: Weights, axis: int, length: int) -> bool:
    """Whether ``weight`` is made of runs of ``length`` equal values along ``axis``, which they divide."""
    # Most kernels already differ within the first output, and what is compared of large ones stays in the cache.
    rows = max(1, _ENTRIES_AT_ONCE * len(weight) // max(1, weight.size))
    for part in (weight[:1], *(weight[first : first + rows] for first in range(0, len(weight), rows))):
        runs = part.reshape(*part.shape[:axis], -1, length, *part.shape[axis + 1 :])
        if not (runs == runs.take((0,), axis=axis + 1)).all():
            return False
    return True


def run_length(weight: Weights, axis: int, most: int) -> int:
    """Longest run of equal weights along ``axis`` that divides ``most``."""
    lengths = (length for length in range(most, 1, -1) if most % length == 0)
    return next((length for length in lengths if comes_in_runs(weight, axis, length)), 1)


def pool_of_kernel(weight: Weights, geometry: ConvGeometry) -> tuple[int, int]:
    """Rows and columns of the sum pooling that is folded into a kernel ``weight`` (O, I, rows, columns); 1 if none is.

    Such a kernel repeats each weight, moves by multiples of that, and begins at one of them.
    """
    rows, columns = (
        run_length(weight, n + 2, math.gcd(weight.shape[n + 2], geometry.stride[n], geometry.padding[n]))
        if geometry.dilation[n] == 1
        else 1
        for n in (0, 1)
    )
    return rows, columns


def pool_of_matrix(by_cell: Weights) -> tuple[int, int]:
    """The same for a matrix, whose sources are a map: ``by_cell`` (targets, channels, rows, columns)."""
    if not by_cell.size:
        return 1, 1
    return run_length(by_cell, 2, by_cell.shape[2]), run_length(by_cell, 3, by_cell.shape[3])
