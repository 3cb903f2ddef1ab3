"""Round all weights into one population, to nearest or with error feedback against calibration data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...targets.records import dataclass
from ..arithmetic import matmul, mean, total
from ..ir.operators import FloatArray
from ..ir.spiking import Population
from .drives import Drive, in_parts
from .equal_columns import EqualColumns, equal_columns
from .error_feedback import error_variance, round_with_feedback
from .fan_in_moments import Apart, Block
from .scales import rounded_weight, square_error

_CANDIDATE_WEIGHTS = 1 << 12
_MOST_CANDIDATES = 256
_CANDIDATE_VALUES = 1 << 24
_LOWEST_SHARE = 0.75


Moments = Sequence[Block | Apart]
"""What the neurons of a population receive, in parts that count as uncorrelated."""


@dataclass(frozen=True, slots=True, eq=False)
class Rounding:
    """``drives`` with weights on the grid of ``threshold`` (O,).

    ``mean_error`` (O, R), in thresholds per step, is what a bias has to take out; ``square_error`` (O,), in
    thresholds squared, is the mean square error of the input per step that is left then.
    """

    threshold: FloatArray
    drives: list[Drive]
    mean_error: FloatArray
    square_error: FloatArray

    def corrected(self, population: Population) -> Population:
        """Return ``population`` with the mean error taken out by its bias."""
        if not self.mean_error.any():
            return population
        rest = population.shape[1:] if self.mean_error.shape[1] > 1 else (1,) * (len(population.shape) - 1)
        return replace(population, bias=population.bias - self.mean_error.reshape(-1, *rest))


def round_to_nearest(drives: list[Drive], exponents: tuple[int, ...], threshold: FloatArray, step: int) -> Rounding:
    """Every weight to the nearest multiple of its grid, as good as can be done without calibration data."""
    rounded = [replace(d, weight=np.empty_like(d.weight)) for d in drives]
    error = np.zeros(len(threshold))
    for rows, part in in_parts(drives, len(threshold)):
        differences = []
        for given, kept, exponent in zip(part, rounded, exponents, strict=True):
            kept.weight[rows] = rounded_weight(given, exponent, threshold[rows], step)
            differences.append(kept.weight[rows] - given.weight)
        error[rows] = square_error(part, differences, len(threshold[rows]))
    return Rounding(threshold, rounded, np.zeros((len(threshold), 1)), error)


def candidate_thresholds(drives: list[Drive], highest: FloatArray) -> FloatArray:
    """Integer thresholds in the upper quarter below ``highest`` (O,), (candidates, O); many where weights are few.

    The fewer weights a neuron has, the more their rounding errors depend on the one number that scales them all.
    """
    fan_in = max(sum(d.weight.shape[2] for d in drives), 1)
    values = max(sum(d.weight.size for d in drives), 1)
    count = int(np.clip(min(_CANDIDATE_WEIGHTS // fan_in, _CANDIDATE_VALUES // values), 1, _MOST_CANDIDATES))
    shares = 1 - (1 - _LOWEST_SHARE) * np.arange(count) / count
    return np.asarray(np.maximum(np.floor(highest * shares[:, None]), 1.0))


def round_against(
    blocks: Moments,
    drives: list[Drive],
    exponents: tuple[int, ...],
    thresholds: tuple[FloatArray, FloatArray | None],
    limits: tuple[int, int],
    *,
    keep_equal: bool = False,
) -> Rounding:
    """Round with error feedback at each of several thresholds, and keep the best one per channel.

    ``thresholds`` are the candidates (K, O) and, where a channel's own can be had, the highest (O,), not an integer:
    weights that were trained on a grid of as many steps are kept as they are, at the integer next to it. ``limits``
    are the step and the largest magnitude of an integer weight. With ``keep_equal`` equal
    columns stay equal.
    """
    (candidates, own), (step, maximum) = thresholds, limits
    if own is not None:
        own = np.maximum(own, 1.0)
        candidates = np.concatenate([candidates, np.rint(own)[None]])
    count, channels = candidates.shape
    rows = max((d.weight.shape[1] for d in drives), default=1)
    offset, square = np.zeros((count, channels, rows)), np.zeros((count, channels))
    rounded = [np.zeros((count, *d.weight.shape)) for d in drives]
    for block in blocks:
        if isinstance(block, Apart):
            index = block.index
            grids = (float(step << exponents[index]), maximum // step)
            rounded[index] = _to_nearest(drives[index].weight, candidates, own, grids)
            error = rounded[index] - drives[index].weight
            offset += total(block.mean * error, axis=3)
            square += total(block.variance * np.square(error), axis=(2, 3)) / error.shape[2]
            continue
        weight = np.concatenate([drives[i].weight[block.rows, :, a:b] for i, a, b in block.pieces], axis=2)
        steps = np.concatenate([np.full(b - a, float(step << exponents[i])) for i, a, b in block.pieces])
        flat, grid = _columns(weight, steps, candidates[:, block.rows])
        limit = np.full((len(flat), 1), float(maximum // step))
        # Equal weights of projections with unlike exponents are not on one grid.
        equal = equal_columns(np.column_stack([steps, weight.reshape(-1, len(steps)).T])) if keep_equal else None
        chosen = _with_feedback(flat, grid, limit, block.covariance, equal)
        if own is not None:
            on_own = _on_own_grid(weight, steps, own[block.rows], limit)
            chosen[:, -on_own.shape[1] :] = on_own
        error = chosen - flat
        shape = (count, *weight.shape[:2])
        offset[:, block.rows] += matmul(block.mean[None], error, count=2).reshape(shape)
        square[:, block.rows] += mean(error_variance(error, block.covariance).reshape(shape), axis=2)
        first = 0
        for i, a, b in block.pieces:
            part = chosen[first : first + b - a].reshape(b - a, *shape)
            rounded[i][:, block.rows, :, a:b] = np.moveaxis(part, 0, -1)
            first += b - a
    best, channel = square.argmin(axis=0), np.arange(channels)
    kept = [replace(d, weight=r[best, channel]) for d, r in zip(drives, rounded, strict=True)]
    return Rounding(candidates[best, channel], kept, offset[best, channel], square[best, channel])


def has_equal_columns(drives: list[Drive]) -> bool:
    """Whether a fan-in has weights that are equal for every neuron and not all zero."""
    for drive in drives:
        columns = drive.weight.reshape(-1, drive.weight.shape[2]).T
        if equal_columns(columns[columns.any(axis=1)]).exist:
            return True
    return False


def _with_feedback(
    flat: FloatArray, grid: FloatArray, limit: FloatArray, covariance: FloatArray, equal: EqualColumns | None
) -> FloatArray:
    if equal is None or not equal.exist:
        return round_with_feedback(flat, grid, limit, covariance)
    first = equal.first
    rounded = round_with_feedback(flat[first], grid[first], limit[first], equal.covariance(covariance))
    return np.asarray(rounded[equal.group])


def _to_nearest(
    weight: FloatArray, candidates: FloatArray, own: FloatArray | None, grids: tuple[float, int]
) -> FloatArray:
    """Weights (K, O, R, F) at each of K candidates (K, O), the last of which stands for ``own``, if that is given.

    ``grids`` are the step at the threshold 1, and how many steps a weight can have.
    """
    step, limit = grids
    aimed = candidates if own is None else np.concatenate([candidates[:-1], own[None]])
    steps = np.clip(np.rint(weight * (aimed[:, :, None, None] / step)), -limit, limit)
    return np.asarray(steps * (step / candidates[:, :, None, None]))


def _on_own_grid(weight: FloatArray, steps: FloatArray, own: FloatArray, limit: FloatArray) -> FloatArray:
    """Weights (F, O R) in whole steps at the threshold ``own``, counted in steps at the nearest integer threshold."""
    flat, grid = _columns(weight, steps, own[None])
    _, nearest = _columns(weight, steps, np.rint(own)[None])
    return np.asarray(np.clip(np.rint(flat / grid), -limit, limit) * nearest)


def _columns(weight: FloatArray, steps: FloatArray, candidates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights (F, K O R) repeated for each of K candidates (K, O), and their grids."""
    count = len(candidates)
    repeated = np.broadcast_to(np.moveaxis(weight, 2, 0)[:, None], (len(steps), count, *weight.shape[:2]))
    grid = np.broadcast_to(steps[:, None, None, None] / candidates[None, :, :, None], repeated.shape)
    return repeated.reshape(len(steps), -1), grid.reshape(len(steps), -1)
