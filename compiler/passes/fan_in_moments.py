"""What neurons receive on calibration data: mean and covariance of the messages in a fan-in.

Messages are the ANN's activations over their clipping thresholds, the rates that spike counts approach, and for the
input its encoded integers. A convolution's fan-in is what its kernel sees at output positions drawn at random over
samples and map, padding included. Each neuron behind a sparse map has a fan-in of its own, whose messages count as
uncorrelated. Any other fan-in is taken in blocks, whose messages count as uncorrelated, because a
covariance costs its square in memory and its cube in time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ...runtime.samples import Samples
from ...runtime.simulator.kernels import kernel_windows
from ...targets.records import dataclass
from ..arithmetic import mean, mean_and_covariance
from ..ir.network import Network
from ..ir.operators import FloatArray
from ..ir.spiking import INPUT, ConvMap, InputSignal, Population, Projection, SparseMap, SpikingNetwork
from ..shared_results import NOTHING_SHARED, SharedResults, array_digest
from .drives import entries_by_row
from .unfolded_pools import unfolded

_SAMPLES = 512
_KEPT_VALUES = 1 << 26
"""Values of all messages together that are kept at most (256 MiB); larger maps are met on fewer samples."""
_BATCH = 32
_BLOCK = 768
_FEWEST_POSITIONS = 1 << 12
_MOST_POSITIONS = 1 << 14
_SAMPLED_VALUES = 1 << 24
_KEPT_BLOCKS = 64
"""Covariances that are kept for further readers (at most 300 MB)."""

Messages = dict[str, npt.NDArray[np.float32]]
"""Per source (N, *its shape): rates in 0..1, for ``INPUT`` its mean message."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Columns ``pieces`` (index of the projection, first, end) of the fan-in of output channels ``rows``.

    ``mean`` (F,) and ``covariance`` (F, F) are those of the messages in these columns, in the pieces' order.
    """

    rows: slice
    pieces: tuple[tuple[int, int, int], ...]
    mean: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """Fan-ins of the sparse projection ``index``, one for each neuron: a row of weights as in ``entries_by_row``.

    ``mean`` and ``variance`` (O, R, F) are those of the message that each weight gets.
    """

    index: int
    mean: FloatArray
    variance: FloatArray


def calibration_messages(
    network: Network, spiking: SpikingNetwork, calibration: Samples, shared: SharedResults = NOTHING_SHARED
) -> Messages:
    """What every source sends for the first samples of ``calibration``; ``spiking`` has its input's step."""
    firing = spiking.firing
    size = prod(spiking.input.shape) + sum(prod(p.shape) for p in firing)
    inputs = calibration.first(int(np.clip(_KEPT_VALUES // size, 1, _SAMPLES))).as_float()
    messages: Messages = {p.name: np.empty((len(inputs), *p.shape), dtype=np.float32) for p in firing}
    for first in range(0, len(inputs), _BATCH):
        batch = slice(first, first + _BATCH)
        values = shared.values(network, inputs[batch], frozenset(p.activation for p in firing))
        for p in firing:
            messages[p.name][batch] = p.rates(values[p.activation]).reshape(-1, *p.shape)
    messages[INPUT] = _encoded(inputs, spiking.input)
    return messages


def _encoded(inputs: npt.NDArray[np.float32], signal: InputSignal) -> npt.NDArray[np.float32]:
    arranged = inputs.transpose(0, *(axis + 1 for axis in signal.axes)).reshape(len(inputs), *signal.shape)
    integers = np.clip(np.rint(arranged / signal.step), signal.minimum, signal.maximum)
    return np.asarray(integers / signal.spread_over, dtype=np.float32)


class RecentMoments:
    """Means and covariances of the last blocks: populations that read the same kernel windows share them.

    Those of equal messages in other programs are among the results that are ``shared``.
    """

    def __init__(self, shared: SharedResults = NOTHING_SHARED) -> None:
        self._kept: dict[Hashable, tuple[FloatArray, FloatArray]] = {}
        self._shared = shared
        self._digests: dict[str, bytes] = {}

    def of(
        self, key: tuple[Hashable, ...], messages: Messages, seen: Callable[[], npt.NDArray[np.float32]]
    ) -> tuple[FloatArray, FloatArray]:
        """Moments of ``seen()`` (positions, columns), which is the same whenever ``key`` and the ``messages`` are."""
        found = self._kept.pop(key, None)
        self._kept[key] = self._made(key, messages, seen) if found is None else found
        if len(self._kept) > _KEPT_BLOCKS:
            del self._kept[next(iter(self._kept))]
        return self._kept[key]

    def _made(
        self, key: tuple[Hashable, ...], messages: Messages, seen: Callable[[], npt.NDArray[np.float32]]
    ) -> tuple[FloatArray, FloatArray]:
        if self._shared.keeps:
            new = messages.keys() - self._digests.keys()
            self._digests |= {source: array_digest(messages[source]) for source in new}
        content = tuple(self._digests[source] for source in messages) if self._shared.keeps else ()
        # Some 1e-6 of a variance off, far below the damping that every user of it adds.
        return self._shared.of(("moments", *content, *key), lambda: mean_and_covariance(seen()))


def fan_in_blocks(
    projections: tuple[Projection, ...], population: Population, messages: Messages, recent: RecentMoments
) -> list[Block]:
    """Moments of what ``population`` receives through those ``projections`` that are not sparse.

    Projections whose fan-ins a row of weights can be laid over together (convolutions with the same number of
    groups; matrices) share blocks; others count as uncorrelated. ``recent`` are those of the same ``messages``.
    """
    random = np.random.default_rng(0)
    together: dict[int, list[int]] = {}
    blocks = []
    drawn: list[tuple[object, ...]] = []
    for index, projection in enumerate(projections):
        if not isinstance(projection.map, SparseMap):
            together.setdefault(groups_of(projection), []).append(index)
    for groups, members in sorted(together.items()):
        fan_ins = {i: FanIn(projections[i], messages[projections[i].source]) for i in members}
        where = positions(population, groups, sum(f.size for f in fan_ins.values()), messages, random)
        # What was drawn before decides what is drawn next.
        drawn.append((bool(groups), population.shape[1:], len(where[0])))
        outputs = population.shape[0] // max(groups, 1)
        for group in range(max(groups, 1)):
            rows = slice(group * outputs, (group + 1) * outputs)
            for pieces in pieces_of(fan_ins):
                key = (*drawn, group, *((fan_ins[i].reads, first, end) for i, first, end in pieces))
                sources = [projections[i].source for i, _, _ in pieces]
                seen = partial(_seen, fan_ins, where, group, pieces)
                blocks.append(Block(rows, pieces, *recent.of(key, {s: messages[s] for s in sources}, seen)))
    return blocks


def fan_ins_apart(projections: tuple[Projection, ...], population: Population, messages: Messages) -> list[Apart]:
    """Moments of what ``population`` receives through those ``projections`` that are sparse."""
    return [
        _apart(index, p.map, population, messages[p.source])
        for index, p in enumerate(projections)
        if isinstance(p.map, SparseMap)
    ]


def _apart(index: int, entries: SparseMap, population: Population, messages: npt.NDArray[np.float32]) -> Apart:
    flat = messages.reshape(len(messages), -1)
    average = mean(flat, axis=0)
    variance = mean(np.square(flat - average), axis=0)
    seen = (entries_by_row(entries, of_source[entries.source], population.shape) for of_source in (average, variance))
    return Apart(index, *seen)


def groups_of(projection: Projection) -> int:
    """Groups of a convolution; 0 for any other map."""
    return projection.map.geometry.groups if isinstance(projection.map, ConvMap) else 0


def _seen(
    fan_ins: dict[int, FanIn],
    where: tuple[npt.NDArray[Any], ...],
    group: int,
    pieces: tuple[tuple[int, int, int], ...],
) -> npt.NDArray[np.float32]:
    return np.concatenate([fan_ins[i].seen(where, group, first, end) for i, first, end in pieces], axis=1)


def positions(
    population: Population, groups: int, fan_in: int, messages: Messages, random: np.random.Generator
) -> tuple[npt.NDArray[Any], ...]:
    """Indices (sample, row, column) of the neurons looked at; (sample,) for matrices, which all neurons share."""
    samples = len(messages[INPUT])
    grid = (samples, *population.shape[1:]) if groups else (samples,)
    wanted = int(np.clip(_SAMPLED_VALUES // fan_in, _FEWEST_POSITIONS, _MOST_POSITIONS))
    total = prod(grid)
    chosen = np.arange(total) if total <= wanted else np.sort(random.choice(total, wanted, replace=False))
    return tuple(np.unravel_index(chosen, grid))


def pieces_of(fan_ins: dict[int, FanIn]) -> list[tuple[tuple[int, int, int], ...]]:
    """Columns (index of the projection, first, end) of all fan-ins, in blocks of at most ``_BLOCK``.

    They are cut between channels where these are small.
    """
    blocks: list[list[tuple[int, int, int]]] = [[]]
    room = _BLOCK
    for index, fan_in in fan_ins.items():
        width = _BLOCK - _BLOCK % fan_in.area if fan_in.area <= _BLOCK else _BLOCK
        for first in range(0, fan_in.size, width):
            end = min(first + width, fan_in.size)
            if end - first > room and blocks[-1]:
                blocks.append([])
                room = _BLOCK
            blocks[-1].append((index, first, end))
            room -= end - first
    return [tuple(block) for block in blocks if block]


class FanIn:
    """The columns of one projection's fan-in, as messages at chosen positions; ``reads`` tells which they are.

    There are ``size`` columns. Where a pool is folded into the weights they are sums over it, see ``unfolded_pools``.
    """

    def __init__(self, projection: Projection, messages: npt.NDArray[np.float32]) -> None:
        linear = projection.map
        assert not isinstance(linear, SparseMap), "a map by its coordinates has a fan-in for each neuron"
        kernel = unfolded(linear, messages.shape[1:])
        self.reads: Hashable = projection.source, kernel.pool
        if isinstance(linear, ConvMap):
            channels, rows, columns = kernel.weight.shape[1:]
            self.reads = projection.source, kernel.pool, linear.geometry, kernel.weight.shape[1:]
            self.area, self.size = rows * columns, channels * rows * columns
            self._seen = kernel_windows(kernel.pooled(messages), (rows, columns), kernel.geometry)
            self._channels = channels
        else:
            self._seen = kernel.pooled(messages).reshape(len(messages), -1)
            self.area, self.size = 1, self._seen.shape[1]
            self._channels = self.size

    def seen(self, where: tuple[npt.NDArray[Any], ...], group: int, first: int, end: int) -> npt.NDArray[np.float32]:
        """Columns ``first`` to ``end`` of ``group`` at the positions ``where``, (positions, columns)."""
        if len(where) == 1:
            return self._seen[where[0], first:end]
        before, after = first // self.area, -(-end // self.area)
        channels = self._seen[:, group * self._channels + before : group * self._channels + after]
        sample, row, column = where
        flat: npt.NDArray[np.float32] = channels[sample, :, row, column].reshape(len(sample), -1)
        return flat[:, first - before * self.area : end - before * self.area]
