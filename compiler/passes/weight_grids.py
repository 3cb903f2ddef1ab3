"""The grid that weights were trained on: the threshold at which they are whole steps, so that none is rounded."""

from __future__ import annotations

import numpy as np

from ..ir.operators import AnyFloat, FloatArray
from .drives import Drive

_MOST_STEPS = 1 << 8
"""Finer grids than of a sign and eight bits are no quantiser's."""
_SCREENED = 64
"""Weights of a channel that are looked at first: enough to tell random ones from those of a grid."""
_FIRST_LOOK = 6
_TOLERANCE = 1e-4
"""Of a step: scales and weights of a file are floats of 32 bits."""


def grid_thresholds(drives: list[Drive], exponents: tuple[int, ...], highest: FloatArray, step: int) -> FloatArray:
    """Per channel the largest Theta, up to ``highest`` (O,), at which all its weights are whole steps; NaN without one.

    Not rounded to an integer: at the one next to it the same whole steps stand for nearly the same weights.
    """
    channels = len(highest)
    parts = [(d.weight / float(step << e)).reshape(channels, -1) for d, e in zip(drives, exponents, strict=True)]
    weight = np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0))
    if not weight.any():
        return np.full(channels, np.nan)
    largest = np.abs(weight).max(axis=1)
    ratio = np.divide(weight, largest[:, None], out=np.zeros_like(weight), where=largest[:, None] > 0)
    most = np.floor(largest * highest * (1 + 1e-9))
    screened = ratio[:, :: max(1, ratio.shape[1] // _SCREENED)]
    steps = np.zeros(channels)
    for count in _candidates(screened, min(_MOST_STEPS, int(most.max()))):
        steps[(count <= most) & _is_whole(screened * count)] = count
    if not steps.any():
        return np.full(channels, np.nan)
    # With fewer units than steps, the integer next to Theta would be another grid.
    lasting = (steps > 0) & (largest < 1) & _is_whole(ratio * steps[:, None])
    return np.where(lasting, np.divide(steps, largest, out=np.zeros(channels), where=largest > 0), np.nan)


def _candidates(ratio: FloatArray, most: int) -> FloatArray:
    """Numbers of steps that a first look at a few weights leaves, rising."""
    counts = np.arange(1.0, most + 1)
    few = ratio[:, :: max(1, ratio.shape[1] // _FIRST_LOOK)] * counts[:, None, None]
    return np.asarray(counts[(np.abs(few - np.rint(few)) <= _TOLERANCE).all(axis=2).any(axis=1)])


def _is_whole(counts: AnyFloat) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((np.abs(counts - np.rint(counts)) <= _TOLERANCE).all(axis=1))
