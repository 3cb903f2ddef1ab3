"""Each projection as its targets see it: its weights row by row, and how large and how frequent its messages are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime.program import SPIKES, IntArray
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ...runtime.samples import Samples
from ...targets.records import dataclass
from ..arithmetic import mean
from ..ir.network import Network
from ..ir.operators import AnyFloat, FloatArray, Shape
from ..ir.spiking import INPUT, ConvMap, Population, Projection, SparseMap, SpikingNetwork
from ..shared_results import NOTHING_SHARED, SharedResults
from .unfolded_pools import Unfolded, unfolded

_CALIBRATION_SAMPLES = 64
_ASSUMED_RATE = 0.25
_KEPT_VALUES = 1 << 26
"""Activations of some samples together (256 MiB)."""
_ENTRIES_AT_ONCE = 1 << 16
"""Of weights; half a megabyte of doubles, of which some are needed side by side."""


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """One projection seen from its targets.

    ``weight`` (O, R, fan-in) in thresholds per message, R rows for each of the population's O channels (1 where they
    share a kernel); rows of a sparse map are those of ``entries_by_row``, and from others a folded pool is taken out
    (see ``unfolded_pools``), which ``kernel`` can put back. ``activity``, which broadcasts to it,
    is the mean square of the messages; ``low`` and ``high`` bound one message, ``window`` the sum of T of them.
    """

    projection: Projection
    weight: FloatArray
    activity: FloatArray
    low: int
    high: int
    window: tuple[int, int]
    kernel: Unfolded | None = None

    @property
    def times(self) -> int:
        """How many equal weights each stands for."""
        return 1 if self.kernel is None else self.kernel.times


def mean_square_activity(
    network: Network,
    spiking: SpikingNetwork,
    calibration: Samples | None,
    shared: SharedResults = NOTHING_SHARED,
    progress: Progress = untold,
) -> dict[str, FloatArray]:
    """Per source channel: spike probability per step, or mean square of payloads; for the input that of its values.

    ``progress(done, total)`` counts samples.
    """
    firing = spiking.firing
    if calibration is None:
        rates = {p.name: np.full(p.shape[0], _ASSUMED_RATE * p.payloads[1] ** 2) for p in firing}
        low, high = spiking.input.integers or (0, 1)
        return {**rates, INPUT: np.full(spiking.input.shape[0], (high**3 - low**3) / (3 * (high - low)))}
    inputs = calibration.first(_CALIBRATION_SAMPLES).as_float()
    activations, size = frozenset(p.activation for p in firing), samples_at_once(spiking, _CALIBRATION_SAMPLES)
    means = {p.name: list[FloatArray]() for p in firing}
    for first in range(0, len(inputs), size):
        values = shared.values(network, inputs[first : first + size], activations)
        for p in firing:
            means[p.name].append(_channel_mean(_mean_squares(p, values[p.activation])))
        progress(min(first + size, len(inputs)), len(inputs))
    shares = [min(size, len(inputs) - first) / len(inputs) for first in range(0, len(inputs), size)]
    activity = {name: _never_zero(_weighted(found, shares)) for name, found in means.items()}
    arranged = inputs.transpose(0, *(a + 1 for a in spiking.input.axes)).reshape(len(inputs), *spiking.input.shape)
    return {**activity, INPUT: _never_zero(_channel_mean(np.square(arranged)))}


def samples_at_once(spiking: SpikingNetwork, most: int) -> int:
    """Samples, up to ``most``, whose activations are held together: large maps are met a few at a time."""
    return int(np.clip(_KEPT_VALUES // sum(math.prod(p.shape) for p in spiking.populations), 1, most))


def _weighted(parts: list[FloatArray], shares: list[float]) -> FloatArray:
    summed = parts[0] * shares[0]
    for part, share in zip(parts[1:], shares[1:], strict=True):
        summed = summed + part * share
    return summed


def _mean_squares(population: Population, values: AnyFloat) -> AnyFloat:
    """Expected square of a message for each rate, which is that of a spike itself."""
    rates = population.rates(values)
    return rates if population.payloads == SPIKES else np.square(rates)


def _channel_mean(values: np.ndarray[Any, np.dtype[Any]]) -> FloatArray:
    return np.asarray(mean(values.reshape(len(values), values.shape[1], -1), axis=(0, 2)))


def _never_zero(average: FloatArray) -> FloatArray:
    return np.asarray(average + 1e-3 * max(float(average.max()), 1e-6))


def drives_of(
    spiking: SpikingNetwork, population: Population, activity: dict[str, FloatArray], timesteps: int
) -> list[Drive]:
    """See each projection onto ``population``; ``activity`` is that of ``mean_square_activity``."""
    drives = []
    for projection in spiking.incoming(population.name):
        squares = activity[projection.source]
        if projection.source != INPUT:
            messages = spiking.population(projection.source).payloads
            window = (messages[0] * timesteps, messages[1] * timesteps)
        else:
            signal = spiking.input
            squares = squares / (signal.message_value * signal.message_value)
            messages, window = signal.message_range, signal.window_range(timesteps)
        if isinstance(projection.map, SparseMap):
            spread = np.repeat(squares, math.prod(spiking.source_shape(projection)) // squares.size)
            values = projection.map.weight, spread[projection.map.source]
            weight, seen = (entries_by_row(projection.map, each, population.shape) for each in values)
            kernel = None
        else:
            kernel = unfolded(projection.map, spiking.source_shape(projection))
            weight, seen = _rows_of(kernel, population.shape[0], squares)
        drives.append(Drive(projection, weight, seen, *messages, window, kernel))
    return drives


def entries_by_row(entries: SparseMap, values: FloatArray, shape: Shape) -> FloatArray:
    """``values`` (n,) of the entries as rows (O, R, longest fan-in), one per neuron of ``shape``, zeros behind."""
    place = _place_in_row(entries)
    rows = np.zeros((math.prod(shape), int(place.max(initial=0)) + 1))
    rows[entries.target, place] = values
    return rows.reshape(shape[0], -1, rows.shape[1])


def values_of_rows(entries: SparseMap, rows: FloatArray) -> FloatArray:
    """Values (n,) that ``entries_by_row`` laid out as ``rows``."""
    return np.asarray(rows.reshape(-1, rows.shape[-1])[entries.target, _place_in_row(entries)])


def _place_in_row(entries: SparseMap) -> IntArray:
    return np.arange(len(entries.target)) - np.searchsorted(entries.target, entries.target)


def _rows_of(kernel: Unfolded, channels: int, activity: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights by the targets' ``channels``, and ``activity`` (source channels,) spread over the fan-in."""
    outputs, inputs, *taps = kernel.weight.shape
    rows = np.ascontiguousarray(kernel.weight).reshape(channels, outputs // channels, -1)
    if not isinstance(kernel.linear, ConvMap):
        return rows, np.repeat(activity, rows.shape[2] // activity.size)[None, None, :]
    groups = kernel.linear.geometry.groups
    group = np.arange(groups) if groups == 1 else np.arange(outputs) // (outputs // groups)
    seen = activity[group[:, None] * inputs + np.arange(inputs)[None, :]]
    return rows, np.repeat(seen, math.prod(taps), axis=1)[:, None, :]


def in_parts(drives: list[Drive], channels: int) -> Iterator[tuple[slice, list[Drive]]]:
    """The ``drives`` of some of the ``channels`` at a time, so few that what is computed of them stays in the cache."""
    entries = sum(drive.weight.size for drive in drives)
    size = max(1, _ENTRIES_AT_ONCE * channels // max(1, entries))
    for first in range(0, channels, size):
        rows = slice(first, first + size)
        yield rows, [_some_of(drive, rows) for drive in drives]


def _some_of(drive: Drive, rows: slice) -> Drive:
    activity = drive.activity if len(drive.activity) == 1 else drive.activity[rows]
    return replace(drive, weight=drive.weight[rows], activity=activity)


def largest_weight(drive: Drive) -> FloatArray:
    """Largest magnitude of each channel's weights (O,), in thresholds per message."""
    return np.asarray(np.maximum(drive.weight.max(axis=(1, 2)), -drive.weight.min(axis=(1, 2))))
