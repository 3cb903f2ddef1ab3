"""Interval analysis of a reset-by-subtraction neuron over its window.

With input per step in [low, high], threshold theta and initial potential in [v_low, v_high]:

    u in [v_low + low, v_high + high];   after the spike test
    v_high' = max(min(u_high, theta - unit), u_high - theta),   v_low' = min over u of (u - theta [u >= theta])
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


def potential_range(
    low: Numbers,
    high: Numbers,
    threshold: Numbers | None,
    initial: tuple[Numbers, Numbers],
    timesteps: int,
    unit: float,
) -> tuple[Numbers, Numbers]:
    """Smallest and largest u that any input can cause during ``timesteps`` steps, elementwise.

    ``low`` and ``high`` bound synaptic input plus bias of one step; ``unit`` is the distance between neighbouring
    potentials (1 for integers, 0 for reals). ``threshold`` None never fires.
    """
    v_low, v_high = initial
    lowest, highest = v_low + low, v_high + high
    for _ in range(timesteps):
        u_low, u_high = v_low + low, v_high + high
        lowest, highest = np.minimum(lowest, u_low), np.maximum(highest, u_high)
        if threshold is None:
            v_low, v_high = u_low, u_high
            continue
        v_high = np.maximum(np.minimum(u_high, threshold - unit), u_high - threshold)
        resting = np.where(u_high >= threshold, np.minimum(u_low, 0), u_low)
        v_low = np.where(u_low >= threshold, u_low - threshold, resting)
    return lowest, highest
