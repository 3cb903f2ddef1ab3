"""Whether one of two results is better on the same samples by more than these samples' spread explains."""

from __future__ import annotations

import numpy as np

from ..arithmetic import mean
from ..ir.operators import FloatArray


def is_certainly_less(one: FloatArray, other: FloatArray) -> bool:
    """Whether ``one`` (n,) is below ``other`` in the mean, by more than the standard error of the paired difference."""
    gained = other - one
    average = float(mean(gained))
    return average > float(np.sqrt(float(mean(np.square(gained - average))) / len(gained)))
