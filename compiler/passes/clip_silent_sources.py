"""Clip weights from channels that never changed on calibration data, where they would set the scale of a layer.

A channel with no variance can have any weight: a batch norm that never saw it change divides by the root of epsilon.
Where such a weight is far above its neighbours and the channel keeps one value c on all calibration data,

    w'_ij = clip(w_ij, -m_i, m_i),   b'_i = b_i + (w_ij - w'_ij) c,   m_i the largest weight from any other channel

which is the same network on that data. It is no proof, so a finding names the channels and what is lost if they change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...runtime.progress import Report as Progress
from ...runtime.samples import Samples
from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.network import Network, evaluate, evaluated_at_once
from ..ir.operators import FloatArray
from ..ir.rates import received
from ..ir.spiking import INPUT, ConvMap, DenseMap, Population, Projection, SpikingNetwork
from .compose_linear_maps import per_channel_if_possible
from .contract import Compilation, Context, Outcome, spiking_level

_OUTSIZED = 8
"""Times the median of a row's channels from which on a weight is worth looking at."""
_BATCH = 32


@dataclass(frozen=True)
class ClipSilentSources:
    """w' = clip(w, -m, m) where a source never changed on calibration data; b' = b + (w - w') c."""

    name: str = "clip-silent-sources"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Clip outsized weights from constant channels; unchanged without calibration data."""
        spiking = spiking_level(state)
        suspects = {} if context.calibration is None else _suspects(spiking)
        if context.calibration is None or not suspects:
            return Outcome(state, {"clipped": {}})
        values = _constant_values(state.network, spiking, sorted(suspects), context.calibration, context.progress)
        clipped = [c for p in spiking.projections if (c := _clipped(spiking, p, values)) is not None]
        effect = {"clipped": {c.projection.name: c.factor for c in clipped}}
        remarks = tuple(_remark(spiking, c) for c in clipped)
        changed = {c.projection.name: c.projection for c in clipped}
        spiking = spiking.with_parts(
            tuple(_with_bias(p, [c for c in clipped if c.projection.target == p.name]) for p in spiking.populations),
            tuple(changed.get(p.name, p) for p in spiking.projections),
        )
        return Outcome(replace(state, spiking=spiking) if clipped else state, effect, remarks)


@dataclass(frozen=True, slots=True, eq=False)
class _Clipped:
    """A projection with smaller weights from ``channels``; ``given`` (*target's shape) is what the rest brought.

    ``factor`` is how many times larger the largest weight was.
    """

    projection: Projection
    channels: tuple[int, ...]
    given: FloatArray
    factor: float


def _suspects(spiking: SpikingNetwork) -> set[str]:
    """Populations with a channel whose weights into some neuron are outsized."""
    suspects = set()
    for projection in spiking.projections:
        by_channel = _largest_by_channel(spiking, projection)
        if by_channel is None or projection.source == INPUT:
            continue
        if (by_channel > _OUTSIZED * _usual(by_channel)).any():
            suspects.add(projection.source)
    return suspects


def _usual(by_channel: FloatArray) -> FloatArray:
    """Median of each row's numbers other than 0, (rows, 1)."""
    rows, channels = by_channel.shape
    silent = channels - np.count_nonzero(by_channel, axis=1)
    middle = np.minimum((silent + channels) // 2, channels - 1)
    return np.asarray(np.sort(by_channel, axis=1)[np.arange(rows), middle][:, None])


def _largest_by_channel(spiking: SpikingNetwork, projection: Projection) -> FloatArray | None:
    """Largest magnitude from each source channel into each row of weights (rows, C); None for other than plain maps."""
    linear = projection.map
    if isinstance(linear, DenseMap):
        channels = spiking.source_shape(projection)[0]
        return np.asarray(np.abs(linear.weight).reshape(len(linear.weight), channels, -1).max(axis=2))
    if isinstance(linear, ConvMap) and linear.geometry.groups == 1:
        return np.asarray(np.abs(linear.weight).max(axis=(2, 3)))
    return None


def _constant_values(
    network: Network, spiking: SpikingNetwork, names: list[str], calibration: Samples, progress: Progress
) -> dict[str, FloatArray]:
    """Rate (C,) of each channel of the populations ``names`` that never changes, NaN for the others.

    ``progress(done, total)`` counts samples.
    """
    populations = [spiking.population(name) for name in names]
    low = {p.name: np.full(p.shape[0], np.inf) for p in populations}
    high = {p.name: np.full(p.shape[0], -np.inf) for p in populations}
    inputs, size = calibration.as_float(), evaluated_at_once(network, _BATCH)
    for first in range(0, len(inputs), size):
        values = evaluate(network, inputs[first : first + size], frozenset(p.activation for p in populations))
        for p in populations:
            rates = _by_channel(values[p.activation], p)
            low[p.name] = np.minimum(low[p.name], rates.min(axis=1))
            high[p.name] = np.maximum(high[p.name], rates.max(axis=1))
        progress(min(first + size, len(inputs)), len(inputs))
    return {name: np.where(low[name] == high[name], low[name], np.nan) for name in names}


def _by_channel(values: npt.NDArray[Any], population: Population) -> FloatArray:
    channels = population.shape[0]
    by_channel = np.moveaxis(values.reshape(len(values), channels, -1), 1, 0).reshape(channels, -1)
    return np.asarray(by_channel / population.spike_value, dtype=np.float64)


def _clipped(spiking: SpikingNetwork, projection: Projection, values: dict[str, FloatArray]) -> _Clipped | None:
    constant = values.get(projection.source)
    by_channel = _largest_by_channel(spiking, projection)
    if constant is None or by_channel is None or np.isnan(constant).all():
        return None
    never = ~np.isnan(constant)
    limit = by_channel.max(axis=1, where=~never, initial=0.0)
    excess = never & (by_channel > np.maximum(limit[:, None], _OUTSIZED * _usual(by_channel))) & (limit[:, None] > 0)
    if not excess.any():
        return None
    target = spiking.population(projection.target)
    linear = projection.map
    mask = _spread(projection, excess)
    bound = limit.reshape(-1, *(1,) * (linear.weight.ndim - 1))
    weight = np.where(mask, np.clip(linear.weight, -bound, bound), linear.weight)
    rest = replace(projection, map=replace(linear, weight=linear.weight - weight))
    shape = spiking.source_shape(projection)
    sent = np.broadcast_to(np.where(never, constant, 0.0).reshape(-1, *(1,) * (len(shape) - 1)), shape)
    factor = (by_channel / np.maximum(limit[:, None], 1e-300)).max(where=excess, initial=1.0)
    channels = tuple(int(c) for c in np.flatnonzero(excess.any(axis=0)))
    given = received(rest, np.ascontiguousarray(sent)[None], target)[0]
    changed = replace(projection, map=replace(linear, weight=weight))
    return _Clipped(changed, channels, given, float(f"{factor:.3g}"))


def _spread(projection: Projection, by_channel: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Values (rows, C) of source channels as a mask that broadcasts to the weights."""
    if isinstance(projection.map, ConvMap):
        return by_channel[:, :, None, None]
    return np.repeat(by_channel, projection.map.weight.shape[1] // by_channel.shape[1], axis=1)


def _with_bias(population: Population, clipped: list[_Clipped]) -> Population:
    for each in clipped:
        bias = np.broadcast_to(population.bias, population.shape) + each.given
        population = replace(population, bias=per_channel_if_possible(np.asarray(bias)))
    return population


def _remark(spiking: SpikingNetwork, clipped: _Clipped) -> Diagnostic:
    target, source = spiking.population(clipped.projection.target), clipped.projection.source
    which = ", ".join(map(str, clipped.channels[:5]))
    more = f" and {len(clipped.channels) - 5} more" if len(clipped.channels) > 5 else ""
    return Diagnostic(
        "W215",
        f"channels of '{source}' never changed on calibration data, and their weights were clipped, which would "
        f"have set the scale of all: {which}{more}; a change of one would count for 1/{clipped.factor:.3g} of it",
        Place(layer=target.name, nodes=tuple(o.node for o in target.origins)),
        measured=clipped.factor,
        limit=1,
        unit="times the largest other weight",
        hint="give calibration data in which these channels change, or remove them",
    )
