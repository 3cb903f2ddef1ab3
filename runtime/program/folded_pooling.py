"""Sum pooling that was folded into the kernel behind it leaves runs of equal weights: kron(W, ones(k, k))."""

from __future__ import annotations

import numpy as np

from .program import IntArray


def comes_in_runs(weight: IntArray, axis: int, length: int) -> bool:
    """Whether ``weight`` is made of runs of ``length`` equal values along ``axis``, which they divide."""
    # Most kernels already differ within the first output.
    for part in (weight[:1], weight):
        runs = part.reshape(*part.shape[:axis], -1, length, *part.shape[axis + 1 :])
        first = runs.take((0,), axis=axis + 1)
        if not np.array_equal(np.broadcast_to(first, runs.shape), runs):
            return False
    return True
