"""Weights and bias of a population by least squares on what its sources really sent.

    min over dW, db of  sum_n |(x_n (W + dW) + b + db) - z_n|^2 + ridge |dW|^2

x are mean messages in a fan-in, spikes as they came in the window, z what the float network gives the activation. What
both sides leave below zero is no error: no spike comes of it. Errors of earlier layers that can be known from other
messages are taken out, and messages count for less the noisier they are. A projection with weights that are not there
keeps them, and only its bias takes part; the ridge grows where there are few samples for many weights. Channels that
nothing reaches and channels that nothing reads, as constants leave them, stay so and say nothing about the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from ...targets.records import dataclass
from ..arithmetic import cholesky, cholesky_solve, matmul, mean, mean_and_covariance
from ..ir.operators import AnyFloat, FloatArray
from ..ir.spiking import INPUT, ConvMap, Population, Projection, SparseMap
from .compose_linear_maps import per_channel_if_possible
from .fan_in_moments import FanIn, Messages, groups_of, pieces_of, positions
from .unfolded_pools import Unfolded, unfolded

_RIDGE = 0.01
"""Share of the mean variance of a message that is added to each."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Weights of each projection and the bias of their population."""

    incoming: tuple[Projection, ...]
    bias: FloatArray


def can_be_fitted(incoming: tuple[Projection, ...]) -> bool:
    """Whether the fan-ins can be laid side by side, and something else than the input is in them."""
    laid = not any(isinstance(p.map, SparseMap) for p in incoming) and len({groups_of(p) for p in incoming}) == 1
    return laid and any(_is_free(p) for p in incoming)


def fitted_to_input(
    population: Population, incoming: tuple[Projection, ...], messages: Messages, wanted: AnyFloat
) -> Fitted:
    """Fit ``incoming`` of ``population`` to ``wanted`` (N, *shape), the input per step in the population's thresholds.

    ``messages`` are the mean ones of every source, see ``Messages``.
    """
    fan_in = _FanIns(population, incoming, messages)
    given = fan_in.at(np.broadcast_to(population.bias, wanted.shape)) + fan_in.received()
    return fan_in.fitted(_missing(fan_in.at(wanted), given))


def fitted_to_counts(
    population: Population, incoming: tuple[Projection, ...], messages: Messages, missed: AnyFloat
) -> Fitted:
    """Fit ``incoming`` to what the spikes of ``population`` missed (N, *shape), in its thresholds per step."""
    fan_in = _FanIns(population, incoming, messages)
    return fan_in.fitted(fan_in.at(missed))


class _FanIns:
    """What a population receives at some positions, in blocks of columns for each group of its channels."""

    def __init__(self, population: Population, incoming: tuple[Projection, ...], messages: Messages) -> None:
        self._population, self._incoming = population, incoming
        self._groups = groups_of(incoming[0])
        fan_ins = {i: FanIn(p, messages[p.source]) for i, p in enumerate(incoming)}
        size = sum(fan_in.size for fan_in in fan_ins.values())
        where = positions(population, self._groups, size, messages, np.random.default_rng(0))
        self._where, self._pieces = where, pieces_of(fan_ins)
        self._blocks = [
            [_seen(fan_ins, where, group, pieces) for pieces in self._pieces] for group in range(max(self._groups, 1))
        ]
        self._kernels = [_kernel(p, messages) for p in incoming]
        self._rows = [kernel.weight.reshape(len(kernel.weight), -1).copy() for kernel in self._kernels]

    def at(self, values: AnyFloat) -> FloatArray:
        """``values`` (N, *shape) of the population, (positions, rows of weights)."""
        if not self._groups:
            return np.asarray(values.reshape(len(values), -1)[self._where[0]], dtype=np.float64)
        sample, row, column = self._where
        return np.asarray(values[sample, :, row, column], dtype=np.float64)

    def received(self) -> FloatArray:
        """What the weights give at each position."""
        parts = []
        for own, blocks in self._by_group():
            seen = zip(self._pieces, blocks, strict=True)
            parts.append(sum(matmul(x, _columns(self._rows, own, pieces).T, count=1) for pieces, x in seen))
        return np.asarray(np.concatenate(parts, axis=1))

    def fitted(self, missing: FloatArray) -> Fitted:
        """Add to weights and bias what comes nearest to giving ``missing`` at each position."""
        change = np.zeros(missing.shape[1])
        free = [_is_free(p) for p in self._incoming]
        for own, blocks in self._by_group():
            is_reached = np.any([np.any(rows[own] != 0, axis=1) for rows in self._rows], axis=0)
            rest = np.where(is_reached, missing[:, own], 0.0)
            is_read = [_is_read(kernel, own) & free[i] for i, kernel in enumerate(self._kernels)]
            for pieces, x in zip(self._pieces, blocks, strict=True):
                is_free = np.concatenate([is_read[i][first:end] for i, first, end in pieces])
                weight, constant = _regression(x, rest, is_free)
                _add_columns(self._rows, own, pieces, weight)
                change[own] += constant
                rest = rest - matmul(x, np.ascontiguousarray(weight.T), count=1) - constant
        shaped = change.reshape(-1, 1, 1) if self._groups else change.reshape(self._population.shape)
        maps = [kernel.folded(w) for kernel, w in zip(self._kernels, self._rows, strict=True)]
        return Fitted(
            tuple(replace(p, map=m) for p, m in zip(self._incoming, maps, strict=True)),
            per_channel_if_possible(np.asarray(self._population.bias + shaped)),
        )

    def _by_group(self) -> Iterator[tuple[slice, list[FloatArray]]]:
        outputs = len(self._rows[0]) // max(self._groups, 1)
        for group, blocks in enumerate(self._blocks):
            yield slice(group * outputs, (group + 1) * outputs), blocks


def _is_free(projection: Projection) -> bool:
    """Whether all weights are there; where some are not, they are meant: an identity, a kernel within a kernel.

    Those between a channel that nothing reaches, or that nothing reads, and any other are not missed.
    """
    if projection.source == INPUT:
        return False
    weight, groups = projection.map.weight, max(groups_of(projection), 1)
    by_group = np.any(weight.reshape(groups, len(weight) // groups, weight.shape[1], -1) != 0, axis=3)
    between = np.any(by_group, axis=2)[:, :, None] & np.any(by_group, axis=1)[:, None, :]
    return bool(np.count_nonzero(weight) * 2 > np.count_nonzero(between) * prod(weight.shape[2:]))


def _kernel(projection: Projection, messages: Messages) -> Unfolded:
    assert not isinstance(projection.map, SparseMap), "can_be_fitted says that there is none"
    return unfolded(projection.map, messages[projection.source].shape[1:])


def _is_read(kernel: Unfolded, own: slice) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether the rows ``own`` of the weights read a column (F,), or of a convolution its channel."""
    weight = kernel.weight[own]
    if not isinstance(kernel.linear, ConvMap):
        return np.asarray(np.any(weight.reshape(len(weight), -1) != 0, axis=0))
    return np.repeat(np.any(weight != 0, axis=(0, 2, 3)), prod(weight.shape[2:]))


def _seen(
    fan_ins: dict[int, FanIn],
    where: tuple[np.ndarray[tuple[int], np.dtype[np.intp]], ...],
    group: int,
    pieces: tuple[tuple[int, int, int], ...],
) -> FloatArray:
    parts = [fan_ins[i].seen(where, group, first, end) for i, first, end in pieces]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _columns(rows: list[FloatArray], own: slice, pieces: tuple[tuple[int, int, int], ...]) -> FloatArray:
    return np.concatenate([rows[i][own, first:end] for i, first, end in pieces], axis=1)


def _add_columns(
    rows: list[FloatArray], own: slice, pieces: tuple[tuple[int, int, int], ...], change: FloatArray
) -> None:
    start = 0
    for i, first, end in pieces:
        rows[i][own, first:end] += change[:, start : start + end - first]
        start += end - first


def _missing(aim: FloatArray, given: FloatArray) -> FloatArray:
    """What is to be added to ``given``; nothing where both are below zero, and not below zero where it is above."""
    return np.where((aim < 0) & (given < 0), 0.0, np.maximum(aim, 0.0) - given)


def _regression(
    seen: FloatArray, missing: FloatArray, is_free: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[FloatArray, FloatArray]:
    """Change of weights (O, F), zero where they are not free, and of the bias (O,), for ``missing`` (n, O)."""
    weight = np.zeros((missing.shape[1], seen.shape[1]))
    lost = np.asarray(mean(missing, axis=0))
    if not is_free.any():
        return weight, lost
    free = np.ascontiguousarray(seen[:, is_free])
    average, covariance = mean_and_covariance(free)
    variance = float(mean(np.diag(covariance)))
    if variance <= 0:
        return weight, lost
    ridge = (_RIDGE + free.shape[1] / len(free)) * variance
    together = matmul(np.ascontiguousarray((free - average).T), missing - lost, count=1) / len(free)
    weight[:, is_free] = cholesky_solve(cholesky(covariance + np.diag(np.full(len(covariance), ridge))), together).T
    return weight, lost - matmul(weight[:, is_free], average[:, None])[:, 0]
