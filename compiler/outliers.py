"""Values of calibration data that stretch the input's range more than they are worth.

The range decides how fine the input's integers are, and a single value can set it. Clipping at r costs a sample what
lies beyond, and saves every sample some rounding, each beside the mean square m of the n inputs:

    k_s(r) = sum_j max(|x_sj| - r, 0)^2 / (n m),   e(r) = (r / 2^b)^2 / (12 m)
    loss(r) = mean over samples of (k_s + e) / (1 + k_s + e)

A sample's loss is bounded: past the point where nothing of it is left, a larger outlier makes it no worse.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..runtime.program import INPUT
from ..runtime.samples import Samples
from ..targets.diagnostic import Diagnostic, Place
from .arithmetic import mean, total
from .ir.operators import FloatArray

_BITS = 5
"""Resolution of the magnitude that the loss is reckoned with: what is left of eight bits where ranges are narrow."""
_TAILS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Shares of the values that may lie beyond the range."""
_STRETCHED = 2.0
"""Times that the range has to become smaller: less is an ordinary tail."""
_SAMPLES = 64


def without_outliers(calibration: Samples) -> tuple[Samples, tuple[Diagnostic, ...]]:
    """Clip the data where that loses less than the range that it needs, and say so (W214); bytes stay as they are."""
    data = calibration.inputs
    if data.dtype == np.uint8 or not data.size:
        return calibration, ()
    magnitude = np.abs(data.astype(np.float64)).reshape(len(data), -1)
    largest = float(magnitude.max())
    limits = [largest, *_limits(magnitude, largest)]
    losses = [_loss(magnitude, limit) for limit in limits]
    best = limits[int(np.argmin(losses))]
    if best == largest:
        return calibration, ()
    lowest = -best if data.min() < -best else data.min()
    clipped = np.clip(data, data.dtype.type(lowest), data.dtype.type(best))
    return replace(calibration, inputs=clipped), (_remark(data, magnitude, best),)


def _limits(magnitude: FloatArray, largest: float) -> list[float]:
    """Magnitudes with at most the shares ``_TAILS`` beyond them, where the range becomes much smaller."""
    size = magnitude.size
    places = sorted({size - 1 - max(1, int(share * size)) for share in _TAILS if size > 1})
    if not places or places[0] < 0:
        return []
    ordered = np.partition(magnitude, places, axis=None)
    usual = {float(ordered[place]) for place in places}
    # What is not much larger than the usual is usual.
    limits = {float(magnitude.max(where=magnitude <= _STRETCHED * each, initial=0)) for each in usual}
    return sorted((limit for limit in limits if 0 < limit * _STRETCHED <= largest), reverse=True)


def _loss(magnitude: FloatArray, limit: float) -> float:
    signal = float(mean(np.square(np.minimum(magnitude[:_SAMPLES], limit)))) or 1.0
    rounding = (limit / (1 << _BITS)) ** 2 / (12 * signal)
    lost = np.full(len(magnitude), rounding)
    for sample in np.flatnonzero(magnitude.max(axis=1) > limit):
        beyond = np.maximum(magnitude[sample] - limit, 0)
        lost[sample] += float(total(np.square(beyond))) / (magnitude.shape[1] * signal)
    return float(mean(lost / (1 + lost)))


def _remark(data: npt.NDArray[np.generic], magnitude: FloatArray, limit: float) -> Diagnostic:
    sample, place = np.unravel_index(int(magnitude.argmax()), magnitude.shape)
    at = tuple(int(i) for i in np.unravel_index(int(place), data.shape[1:]))
    samples = int(np.count_nonzero(magnitude.max(axis=1) > limit))
    return Diagnostic(
        "W214",
        f"{samples} of {len(data)} calibration samples have values beyond {limit:.4g} that stretch the range of the "
        f"input; it is clipped there. The largest is at {at} of sample {int(sample)}",
        Place(layer=INPUT),
        measured=float(f"{magnitude.max():.6g}"),
        limit=float(f"{limit:.6g}"),
        unit="input values",
        hint="remove the outliers from the calibration data, or add more samples like them if they are none",
    )
