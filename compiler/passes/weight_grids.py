"""The grid that weights were trained on: the threshold at which they are whole steps, so that none is rounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..ir.operators import AnyFloat, FloatArray
from .drives import Drive, in_parts

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
    found = np.full(len(highest), np.nan)
    for rows, part in in_parts(drives, len(highest)) if drives else ():
        weights = [d.weight.reshape(len(d.weight), -1) for d in part]
        units = [float(step << e) for e in exponents]
        found[rows] = _of_grid(weights, units, highest[rows])
    return found


def _of_grid(weights: list[FloatArray], units: list[float], highest: FloatArray) -> FloatArray:
    """The same for ``weights`` (O, n each) with a step at the threshold 1 for each array."""
    nothing = np.full(len(highest), np.nan)
    largest = np.max([_largest(w) / unit for w, unit in zip(weights, units, strict=True)], axis=0)
    divisor = np.where(largest > 0, largest, 1.0)[:, None]
    every = max(1, sum(w.shape[1] for w in weights) // _SCREENED)
    screened = np.concatenate(
        [w / unit / divisor for w, unit in zip(_each(weights, every), units, strict=True)], axis=1
    )
    most = np.floor(largest * highest * (1 + 1e-9))
    steps = np.zeros(len(highest))
    for count in _candidates(screened, min(_MOST_STEPS, int(most.max()))):
        steps[(count <= most) & _is_whole(screened * count)] = count
    if not steps.any():
        return nothing
    # With fewer units than steps, the integer next to Theta would be another grid.
    lasting = (steps > 0) & (largest < 1)
    for w, unit in zip(weights, units, strict=True):
        lasting &= _is_whole(w / unit / divisor * steps[:, None])
    return np.where(lasting, steps / divisor[:, 0], np.nan)


def _largest(weight: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(weight.max(axis=1), -weight.min(axis=1)))


def _each(arrays: list[FloatArray], every: int) -> Iterator[FloatArray]:
    """Each ``every``-th column of ``arrays`` side by side, in the parts that come from each."""
    first = 0
    for values in arrays:
        yield values[:, first::every]
        first = (first - values.shape[1]) % every


def _candidates(ratio: FloatArray, most: int) -> FloatArray:
    """Numbers of steps that a first look at a few weights leaves, rising."""
    counts = np.arange(1.0, most + 1)
    few = ratio[:, :: max(1, ratio.shape[1] // _FIRST_LOOK)] * counts[:, None, None]
    return np.asarray(counts[(np.abs(few - np.rint(few)) <= _TOLERANCE).all(axis=2).any(axis=1)])


def _is_whole(counts: AnyFloat) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((np.abs(counts - np.rint(counts)) <= _TOLERANCE).all(axis=1))
