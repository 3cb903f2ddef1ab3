"""Which potentials a reset-by-subtraction neuron reaches over T steps, in any unit, by interval analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...runtime.program.window_range import after_spike_test

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
    v = initial
    lowest, highest = v[0] + low, v[1] + high
    for _ in range(timesteps):
        u = v[0] + low, v[1] + high
        lowest, highest = np.minimum(lowest, u[0]), np.maximum(highest, u[1])
        v = after_spike_test(u, threshold, unit)
    return lowest, highest
