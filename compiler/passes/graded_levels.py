"""What a quantiser is as a graded neuron: the threshold is one level, the initial potential its shift.

With u = lambda / L the first is one with theta = u, v0 = s u and payloads 0..L, the second with payloads -m..n:

    a = u clip(floor(x / u + s), 0, L)
    a = u clip(floor(x / u + s), -m, n)

Signs are exact at ties as well, where a pair of one-sided quantisers rounds -x the other way.
"""

from __future__ import annotations

from ..ir.operators import QuantizeClip
from ..ir.signed_quantiser import SignedQuantizeClip


def graded_parameters(operator: QuantizeClip) -> tuple[float, float, tuple[int, int]]:
    """Threshold, initial potential and payloads, least and largest, of the neurons that are ``operator``.

    AssertionError for one without levels: ``calibrate-thresholds`` leaves none.
    """
    assert operator.levels is not None, "a graded neuron has levels"
    level = operator.threshold / operator.levels
    below = operator.levels_below if isinstance(operator, SignedQuantizeClip) else 0
    return level, operator.shift * level, (-below, operator.levels - below)
