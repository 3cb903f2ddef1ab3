"""Integrate and fire, a layer and a window at a time, in loops compiled by numba or the same in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from .convolution import IdentityKernel
from .kernels import Floats
from .loops import loops_for
from .messages import Messages, Sent, narrowest_unsigned, sum_over_pool
from .packing import PackedWeights
from .plan import Layer


@dataclass(frozen=True, slots=True, eq=False)
class LayerInput:
    """What a population receives in a window: ``varying`` (T, n, H, W, C) with the steps, or their sum (n, H, W, C)
    where the layer is run by counts; ``constant`` (n, H, W, C) at every step, or T times that; and ``direct``,
    messages like ``varying``, each times the ``factor`` (C,) of its channel. None where there is none of it.
    """

    samples: int
    varying: Floats | None
    constant: Floats | None
    direct: Messages | None
    factor: Floats | None


def layer_input(layer: Layer, sent: Mapping[str, Sent], samples: int) -> LayerInput:
    """Synaptic input of ``layer`` for ``samples`` samples, given what its sources send."""
    varying: Floats | None = None
    constant: Floats | None = None
    direct: Messages | None = None
    factor: Floats | None = None
    for connection in layer.incoming:
        source = sent[connection.source]
        messages = source.graded if source.graded is not None else source.messages(layer.by_counts)
        if isinstance(connection.kernel, PackedWeights):
            flat = messages.reshape(-1, *messages.shape[-3:])
            summed: Any = connection.kernel(flat, connection.reduced.pool)
        else:
            pooled = sum_over_pool(messages, connection.reduced.pool, connection.largest)
            if isinstance(connection.kernel, IdentityKernel) and pooled.dtype.kind == "u" and direct is None:
                direct, factor = pooled, connection.kernel.factor
                continue
            summed = connection.kernel(pooled.reshape(-1, *pooled.shape[-3:]))
        received: Floats = summed.reshape(*messages.shape[:-3], *layer.map)
        if source.graded is None:
            varying = _added(varying, received, layer)
        else:
            # In the state's type: the kernel's own need not hold the sum over the window.
            wide: Floats = received.astype(layer.bounds.state, copy=False)
            constant = _added(constant, wide * layer.timesteps if layer.by_counts else wide, layer)
    return LayerInput(samples, varying, constant, direct, factor)


def _added(total: Floats | None, received: Floats, layer: Layer) -> Floats:
    """The sum in the state's type, which holds several projections' input where one's type need not."""
    given: Floats = received.astype(layer.bounds.state, copy=False)
    return given if total is None else np.add(total, given, out=total)


def fire(layer: Layer, received: LayerInput, initial: Floats | None = None) -> Messages:
    """Spikes (T, n, H, W, C) uint8 of a population that fires as it integrates.

    ``initial`` are potentials (rows, row) of the state's type to start from instead of the population's own.
    """
    assert layer.neurons.threshold is not None, "a read-out does not fire"
    spikes = np.empty((layer.timesteps, received.samples, *layer.map), dtype=np.uint8)
    rows = spikes.reshape(layer.timesteps, -1, layer.neurons.row)
    operands = input_rows(layer, received, steps=layer.timesteps)
    start = layer.neurons.initial[None] if initial is None else initial
    limits = layer.bounds.state(layer.bounds.lowest), layer.bounds.state(layer.bounds.highest)
    loops = loops_for(spikes.size)
    if loops is not None:
        with loops.LOCK:
            loops.fire(*operands, layer.neurons.bias, layer.neurons.threshold, start, *limits, rows)
        return spikes
    v: Floats = np.empty(rows.shape[1:], dtype=layer.bounds.state)
    v[...] = start
    for step in range(layer.timesteps):
        add_input(v, operands, layer.neurons.bias[step % len(layer.neurons.bias)], step)
        np.clip(v, *limits, out=v)
        fired = v >= layer.neurons.threshold
        v -= layer.neurons.threshold * fired
        rows[step] = fired
    return spikes


def count(layer: Layer, received: LayerInput) -> Messages:
    """Spike counts (n, H, W, C), uint8 or uint16, of a gated population: its trains are ones, then zeros."""
    counts = np.empty((received.samples, *layer.map), dtype=narrowest_unsigned(layer.timesteps))
    divide(layer, received, (-np.inf, np.inf), (0, layer.timesteps), counts)
    return counts


def divide(
    layer: Layer, received: LayerInput, limits: tuple[float, float], bounds: tuple[int, int], sent: Messages
) -> None:
    """Write clip(floor(u / threshold), *bounds) to ``sent`` (n, H, W, C), u the sum of one step clipped to ``limits``.

    The quotient of two integers is rounded up to an integer only if it is within 2^-25 (2^-54) of it in proportion,
    but it is 1/threshold away at least, and the state's type was chosen for their product with the threshold.
    """
    assert layer.neurons.threshold is not None, "a read-out sends nothing"
    rows = sent.reshape(-1, layer.neurons.row)
    operands = input_rows(layer, received, steps=1)
    loops = loops_for(sent.size)
    if loops is not None:
        varying, constant, direct, factor = operands
        summed = varying.reshape(-1, layer.neurons.row), constant, direct.reshape(-1, layer.neurons.row), factor
        state = layer.neurons.offset.dtype.type
        with loops.LOCK:
            loops.divide(
                *summed,
                layer.neurons.offset,
                layer.neurons.threshold,
                state(limits[0]),
                state(limits[1]),
                *bounds,
                rows,
            )
        return
    v = final_potential(layer, operands, rows.shape)
    np.clip(v, *limits, out=v)
    rows[...] = np.clip(v // layer.neurons.threshold, *bounds)


def integrate(layer: Layer, received: LayerInput) -> npt.NDArray[np.int64]:
    """Potential (n, neurons) of a read-out after the T steps."""
    operands = input_rows(layer, received, steps=1 if layer.by_counts else layer.timesteps)
    shape = (received.samples * int(np.prod(layer.map)) // layer.neurons.row, layer.neurons.row)
    if layer.by_counts:
        v = final_potential(layer, operands, shape)
    else:
        v = np.empty(shape, dtype=layer.bounds.state)
        v[...] = layer.neurons.initial
        for step in range(layer.timesteps):
            add_input(v, operands, layer.neurons.bias[step % len(layer.neurons.bias)], step)
            np.clip(v, layer.bounds.lowest, layer.bounds.highest, out=v)
    by_place = v.reshape(received.samples, *layer.map).transpose(0, 3, 1, 2)
    return by_place.reshape(received.samples, -1).astype(np.int64)


Operands = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


def input_rows(layer: Layer, received: LayerInput, *, steps: int) -> Operands:
    """Varying, constant and direct input as rows of neurons, and its factor; one that is not there has no rows."""
    row, state = layer.neurons.row, layer.bounds.state

    def rows(values: npt.NDArray[Any] | None, kind: npt.DTypeLike, leading: tuple[int, ...]) -> npt.NDArray[Any]:
        if values is None:
            return np.zeros((0,) * len(leading) + (0,) * 2, dtype=kind)
        return values.astype(kind, copy=False).reshape(*leading, -1, row)

    direct_type = np.uint8 if received.direct is None else received.direct.dtype
    factor = np.zeros(0, dtype=state)
    if received.factor is not None:
        factor = np.resize(received.factor.astype(state), row)
    return (
        rows(received.varying, state, (steps,)),
        rows(received.constant, state, ()),
        rows(received.direct, direct_type, (steps,)),
        factor,
    )


def add_input(v: Floats, operands: Operands, bias: Floats, step: int) -> None:
    """Add to ``v`` all input of ``step`` (from 0)."""
    varying, constant, direct, factor = operands
    v += bias
    if len(varying):
        v += varying[step]
    if len(constant):
        v += constant
    if len(direct):
        v += factor * direct[step]


def final_potential(layer: Layer, operands: Operands, shape: tuple[int, ...]) -> Floats:
    """Potentials (rows, row) at the end of the window if nothing was subtracted and none saturated."""
    v: Floats = np.empty(shape, dtype=layer.bounds.state)
    v[...] = layer.neurons.offset
    add_input(v, operands, np.zeros((), dtype=layer.bounds.state), 0)
    return v
