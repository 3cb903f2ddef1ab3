"""A function of one number as pieces that are linear, by least squares on the numbers that it is applied to.

    f(x) ~ y_0 + sum_k s_k clip(x - b_k, 0, w_k),    b_0 < b_1 < ... and w_k = b_{k+1} - b_k

is linear between breakpoints b_k and constant beyond the data. The breakpoints are those, among some 60 candidates, for
which the chords of f have the least squared error on the values that x takes (all ways to choose them are compared, by
dynamic programming); the heights y_k at them are then the least squares on the same values. Of all numbers of pieces
up to the one allowed, the best is taken, so that more pieces are never worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise

import numpy as np

from ...targets.records import dataclass
from ..arithmetic import total
from ..ir.activations import Composite, Curve
from ..ir.operators import FloatArray, Operator

_CANDIDATES = 32
"""Candidates for breakpoints at even shares of the values, and as many at even distances."""
_JUMP = 1 / 256
"""Width of the piece that stands for a jump, as a share of the range of x."""
_NEAREST = 1e-4
"""Smallest width of a piece, as a share of the range of x."""
_HOLD = 1e-6
"""Weight of the function's own height at a breakpoint, so that there is one where no value is near."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A function that is linear between ``breakpoints`` (n + 1,), where it has ``heights`` (n + 1,)."""

    breakpoints: FloatArray
    heights: FloatArray

    @property
    def widths(self) -> FloatArray:
        """Width of each piece (n,)."""
        return np.diff(self.breakpoints)

    @property
    def rises(self) -> FloatArray:
        """What each piece adds from its left to its right (n,)."""
        return np.diff(self.heights)

    def at(self, x: FloatArray) -> FloatArray:
        """Value of the pieces at each x."""
        result = np.full(x.shape, self.heights[0], dtype=np.float64)
        for share, rise in zip(_shares(self.breakpoints, x), self.rises, strict=True):
            result = result + rise * share
        return result


def function_values(operator: Operator, x: FloatArray) -> FloatArray:
    """Value of an elementwise operator at each x (n,)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.asarray(operator.evaluate((x[:, None],))[:, 0], dtype=np.float64)


def best_pieces(operator: Operator, values: FloatArray, most: int) -> Pieces:
    """The best of 1 to ``most`` pieces for ``operator`` on ``values``, which rise."""
    if values[0] == values[-1]:
        return Pieces(values[0] + np.array([0.0, 1.0]), np.repeat(function_values(operator, values[:1]), 2))
    candidates = _candidates(operator, values)
    heights, wanted = function_values(operator, candidates), function_values(operator, values)
    costs = _costs(candidates, heights, values, wanted)
    fits = [_least_squares(candidates[way], heights[way], values, wanted) for way in _ways(costs, most)]
    errors = [float(total(np.square(fit.at(values) - wanted))) for fit in fits]
    return fits[int(np.argmin(errors))]


def _shares(breakpoints: FloatArray, x: FloatArray) -> list[FloatArray]:
    """For each piece the share of it that lies below each x, from 0 to 1."""
    pairs = pairwise(breakpoints)
    return [np.asarray(np.clip((x - low) / (high - low), 0, 1)) for low, high in pairs]


def _candidates(operator: Operator, values: FloatArray) -> FloatArray:
    low, high = float(values[0]), float(values[-1])
    shares = values[np.arange(_CANDIDATES + 1) * (len(values) - 1) // _CANDIDATES]
    distances = low + (high - low) * np.arange(_CANDIDATES + 1) / _CANDIDATES
    half = (high - low) * _JUMP / 2
    jumps = [at + side * half for at in _jumps(operator) for side in (-1, 1)]
    inside = [at for at in jumps if low < at < high]
    return _apart(np.unique(np.concatenate([shares, distances, inside])), low, high)


def _apart(candidates: FloatArray, low: float, high: float) -> FloatArray:
    """Both ends and those ``candidates``, which rise, that no other is next to."""
    nearest = _NEAREST * (high - low)
    kept = [low]
    for candidate in candidates:
        if kept[-1] + nearest <= candidate <= high - nearest:
            kept.append(float(candidate))
    return np.array([*kept, high])


def _jumps(operator: Operator) -> tuple[float, ...]:
    """Where a function is not continuous."""
    match operator:
        case Curve("sign"):
            return (0.0,)
        case Curve("thresholded relu", (alpha,)):
            return (alpha,)
        case Composite(steps):
            return tuple(at for step, places in steps if places == (0,) for at in _jumps(step))
    return ()


def _ways(costs: FloatArray, most: int) -> Iterator[list[int]]:
    """Places of the candidates between which 1, 2, ... ``most`` chords have the least squared error."""
    count = len(costs)
    best, before = costs[0], [np.zeros(count, dtype=np.int64)]
    yield [0, count - 1]
    for pieces in range(2, min(most, count - 1) + 1):
        through = best[:, None] + costs
        before.append(np.argmin(through, axis=0))
        best = through[before[-1], np.arange(count)]
        way = [count - 1]
        for step in range(pieces - 1, -1, -1):
            way.append(int(before[step][way[-1]]))
        yield way[::-1]


def _costs(candidates: FloatArray, heights: FloatArray, values: FloatArray, wanted: FloatArray) -> FloatArray:
    """Squared error of the chord from each candidate to each later one, on the values in between; else infinite.

    In units of half the ranges, from sums of powers between neighbouring candidates: sum (w - a - b v)^2 written out.
    """
    v, c = (_to_unit_range(array, values) for array in (values, candidates))
    w, h = (_to_unit_range(array, wanted) for array in (wanted, heights))
    starts = np.searchsorted(values, candidates[:-1]).tolist()
    parts = [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(values)], strict=True)]
    terms = (np.ones_like(v), v, v * v, w, w * v, w * w)
    n, sv, svv, sw, swv, sww = (_between([total(term[part]) for part in parts]) for term in terms)
    count = len(candidates)
    upper = np.triu(np.ones((count, count), dtype=bool), 1)
    b = (h[None, :] - h[:, None]) / np.where(upper, c[None, :] - c[:, None], 1.0)
    a = h[:, None] - b * c[:, None]
    errors = sww - 2 * a * sw - 2 * b * swv + a * a * n + 2 * a * b * sv + b * b * svv
    return np.where(upper, np.maximum(errors, 0.0), np.inf)


def _to_unit_range(array: FloatArray, of: FloatArray) -> FloatArray:
    """``array`` with the middle of the range of ``of`` at 0 and its ends at -1 and 1."""
    low, high = float(of.min()), float(of.max())
    return np.asarray((array - (low + high) / 2) / ((high - low) / 2 or 1.0))


def _between(parts: list[float]) -> FloatArray:
    """Sums from each candidate to each other, of the sums ``parts`` between neighbours; added up in their order."""
    reached = np.array([0.0, *accumulate(parts)])
    return np.asarray(reached[None, :] - reached[:, None])


def _least_squares(breakpoints: FloatArray, heights: FloatArray, values: FloatArray, wanted: FloatArray) -> Pieces:
    """Heights of least squared error on ``values``; each acts on the pieces at its sides alone."""
    shares = [np.ones_like(values), *_shares(breakpoints, values), np.zeros_like(values)]
    tents = [left - right for left, right in pairwise(shares)]
    hold = _HOLD * len(values)
    diagonal = [float(total(np.square(tent))) + hold for tent in tents]
    beside = [float(total(left * right)) for left, right in pairwise(tents)]
    aims = [float(total(tent * wanted)) + hold * float(height) for tent, height in zip(tents, heights, strict=True)]
    return Pieces(breakpoints, _solved(diagonal, beside, aims))


def _solved(diagonal: list[float], beside: list[float], aims: list[float]) -> FloatArray:
    """Solution of a symmetric system with one line on either side of the diagonal."""
    for k, entry in enumerate(beside):
        factor = entry / diagonal[k]
        diagonal[k + 1] -= factor * entry
        aims[k + 1] -= factor * aims[k]
    solution = np.zeros(len(aims))
    solution[-1] = aims[-1] / diagonal[-1]
    for k in range(len(beside) - 1, -1, -1):
        solution[k] = (aims[k] - beside[k] * solution[k + 1]) / diagonal[k]
    return solution
