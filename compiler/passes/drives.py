"""Each projection as its targets see it: its weights row by row, and how large and how frequent its messages are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...runtime.program import SPIKES, IntArray
from ...runtime.samples import Samples
from ...targets.records import dataclass
from ..arithmetic import mean
from ..ir.network import Network
from ..ir.operators import AnyFloat, FloatArray, Shape
from ..ir.spiking import INPUT, ConvMap, Population, Projection, SparseMap, SpikingNetwork
from ..shared_results import NOTHING_SHARED, SharedResults

_CALIBRATION_SAMPLES = 64
_ASSUMED_RATE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """One projection seen from its targets.

    ``weight`` (O, R, fan-in) in thresholds per message, R rows for each of the population's O channels (1 where they
    share a kernel); rows of a sparse map are those of ``entries_by_row``. ``activity``, which broadcasts to it, is the
    mean square of the messages; ``low`` and ``high`` bound one message, ``window`` the sum of T of them.
    """

    projection: Projection
    weight: FloatArray
    activity: FloatArray
    low: int
    high: int
    window: tuple[int, int]


def mean_square_activity(
    network: Network,
    spiking: SpikingNetwork,
    calibration: Samples | None,
    shared: SharedResults = NOTHING_SHARED,
) -> dict[str, FloatArray]:
    """Per source channel: spike probability per step, or mean square of payloads; for the input that of its values."""
    firing = spiking.firing
    if calibration is None:
        rates = {p.name: np.full(p.shape[0], _ASSUMED_RATE * p.payloads[1] ** 2) for p in firing}
        low, high = spiking.input.integers or (0, 1)
        return {**rates, INPUT: np.full(spiking.input.shape[0], (high**3 - low**3) / (3 * (high - low)))}
    inputs = calibration.first(_CALIBRATION_SAMPLES).as_float()
    values = shared.values(network, inputs, frozenset(p.activation for p in firing))
    activity = {p.name: _channel_mean(_mean_squares(p, values[p.activation])) for p in firing}
    arranged = inputs.transpose(0, *(a + 1 for a in spiking.input.axes)).reshape(len(inputs), *spiking.input.shape)
    return {**activity, INPUT: _channel_mean(np.square(arranged))}


def _mean_squares(population: Population, values: AnyFloat) -> AnyFloat:
    """Expected square of a message for each rate, which is that of a spike itself."""
    rates = population.rates(values)
    return rates if population.payloads == SPIKES else np.square(rates)


def _channel_mean(values: np.ndarray[Any, np.dtype[Any]]) -> FloatArray:
    average = mean(values.reshape(len(values), values.shape[1], -1), axis=(0, 2))
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
        else:
            weight, seen = _rows_of(projection, population.shape[0], squares)
        drives.append(Drive(projection, weight, seen, *messages, window))
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


def _rows_of(projection: Projection, channels: int, activity: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights by the targets' ``channels``, and ``activity`` (source channels,) spread over the fan-in."""
    weight = projection.map.weight
    if isinstance(projection.map, ConvMap):
        outputs, inputs = weight.shape[:2]
        group = np.arange(outputs) // (outputs // projection.map.geometry.groups)
        seen = activity[group[:, None] * inputs + np.arange(inputs)[None, :]]
        spread = np.repeat(seen, int(np.prod(weight.shape[2:])), axis=1)[:, None, :]
        return weight.reshape(outputs, 1, -1), spread
    spread = np.repeat(activity, weight.shape[1] // activity.size)[None, None, :]
    return weight.reshape(channels, -1, weight.shape[1]), spread


def largest_weight(drive: Drive) -> FloatArray:
    """Largest magnitude of each channel's weights (O,), in thresholds per message."""
    return np.asarray(np.maximum(drive.weight.max(axis=(1, 2)), -drive.weight.min(axis=(1, 2))))
