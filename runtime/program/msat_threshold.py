"""MSAT's threshold as a payload, and which spikes are dropped: the same bits on every machine.

The elementary functions are written out in additions, multiplications and divisions, which IEEE 754 fixes to the last
bit; those of libraries differ between processors. Each function takes floats, arrays, or is compiled by numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.neuron_models import LARGEST_PAYLOAD, MsatParameters

Constants = tuple[float, float, float, float, float, float]
"""alpha, k_a, k_i, c, tau_mp, tau_rd."""

_ROUNDING = 1.5 * 2.0**52

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def constants(parameters: MsatParameters) -> Constants:
    """Constants in the order in which ``payload`` takes them."""
    p = parameters
    return (float(p.alpha), float(p.k_a), float(p.k_i), float(p.c), float(p.tau_mp), float(p.tau_rd))


def larger(x: Any, y: float) -> Any:
    """max(x, y), element by element."""
    return np.maximum(x, y)


def exponential(x: Any) -> Any:
    """exp(x) to nine digits for -40 <= x <= 40, which other x are taken to: (exp(x / 128))^128 by its series."""
    y = -larger(-larger(x, -40.0), -40.0) * 0.0078125
    e = 1 / 40320 + y * (1 / 362880)
    e = 1 / 5040 + y * e
    e = 1 / 720 + y * e
    e = 1 / 120 + y * e
    e = 1 / 24 + y * e
    e = 1 / 6 + y * e
    e = 0.5 + y * e
    e = 1.0 + y * e
    e = 1.0 + y * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e


def softplus(x: Any) -> Any:
    """ln(1 + exp(x)) to nine digits: max(x, 0) + 2 artanh(w / (2 + w)) with w = exp(-|x|), by its series."""
    w = exponential(-abs(x))
    r = w / (2.0 + w)
    q = r * r
    series = 1 / 17 + q * (1 / 19)
    series = 1 / 15 + q * series
    series = 1 / 13 + q * series
    series = 1 / 11 + q * series
    series = 1 / 9 + q * series
    series = 1 / 7 + q * series
    series = 1 / 5 + q * series
    series = 1 / 3 + q * series
    return larger(x, 0.0) + 2.0 * r * (1.0 + q * series)


def payload(
    current: Any, v: Any, total: Any, before: float, scale: Any, threshold_value: float, constants: Constants
) -> Any:
    """256 theta(t) / theta_max at a step after the first, rounded, 1..256.

    ``current`` I(t), ``v`` after the last reset, and ``total`` of all such v so far, over the ``before`` = t - 1
    steps there were, are integers in 1/256 weight units, held in float64; times ``scale`` they are values of the float
    network, in which ``threshold_value`` is theta_max.
    """
    alpha, k_a, k_i, c, tau_mp, tau_rd = constants
    above_mean = (v - total / before) * scale
    temporal = tau_mp * (alpha * above_mean - threshold_value + k_a * softplus(above_mean / k_i))
    energetic = tau_rd * exponential(-(current * scale) / c)
    share = 1.0 / (1.0 + exponential(-(energetic + temporal)))
    # Adding and taking away 1.5 * 2^52 rounds to the nearest whole number.
    return larger((LARGEST_PAYLOAD * share + _ROUNDING) - _ROUNDING, 1.0)


def value_scale(threshold: npt.NDArray[Any], threshold_value: float) -> npt.NDArray[np.float64]:
    """Values of the float network per 1/256 weight unit, for integer thresholds in weight units."""
    return np.asarray(threshold_value / (LARGEST_PAYLOAD * threshold.astype(np.float64)), dtype=np.float64)


def kept_spikes(
    parameters: MsatParameters, layer: int, confidence: float, samples: npt.NDArray[np.int64], step: int, neurons: int
) -> npt.NDArray[np.bool_]:
    """Which spikes survive at ``step`` (from 1), (samples, neurons): a draw that depends on nothing but its names.

    ``samples`` are indices in the run, ``layer`` is the population's place in the program. The draw is SplitMix64
    (Steele et al. 2014) of seed, layer, step, sample and neuron.
    """
    state = np.array([parameters.seed], dtype=np.uint64)
    for part in (np.array([layer]), np.array([step]), samples[:, None], np.arange(neurons)[None, :]):
        state = _mixed(state + _GOLDEN * (part.astype(np.uint64) + np.uint64(1)))
    # The upper 53 bits are a float in 0..1, exactly.
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53 < confidence)


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
