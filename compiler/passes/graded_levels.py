"""What a quantiser is as a graded neuron: the threshold is one level, the initial potential its shift.

a = u clip(floor(x / u + s), 0, L), u = lambda / L:     theta = u, v0 = s u, payloads 0..L
"""

from __future__ import annotations

from ..ir.operators import QuantizeClip


def graded_parameters(operator: QuantizeClip) -> tuple[float, float, tuple[int, int]]:
    """Threshold, initial potential and payloads, least and largest, of the neurons that are ``operator``.

    AssertionError for one without levels: ``calibrate-thresholds`` leaves none.
    """
    assert operator.levels is not None, "a graded neuron has levels"
    level = operator.threshold / operator.levels
    return level, operator.shift * level, (0, operator.levels)
