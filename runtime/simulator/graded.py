"""``graded``: one division for each neuron, in a loop compiled by numba or the same in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .loops import loops_for
from .messages import Messages, narrowest_unsigned
from .neurons import LayerInput, final_potential, input_rows
from .plan import Layer


def payload_type(payloads: tuple[int, int]) -> npt.DTypeLike:
    """Narrowest type that holds ``payloads``, least and largest: unsigned where none is below 0."""
    low, high = payloads
    return narrowest_unsigned(high) if low >= 0 else np.int32


def payloads_of(layer: Layer, received: LayerInput) -> Messages:
    """Payloads (n, H, W, C), clip(floor(u / threshold), least, largest), of a population of graded neurons.

    As in ``neurons.count`` the state's type is wide enough that no quotient is rounded up to an integer.
    """
    assert layer.neurons.threshold is not None, "a read-out sends nothing"
    bounds = layer.population.payloads
    payloads = np.empty((received.samples, *layer.map), dtype=payload_type(bounds))
    rows = payloads.reshape(-1, layer.neurons.row)
    operands = input_rows(layer, received, steps=1)
    limits = layer.bounds.lowest, layer.bounds.highest
    loops = loops_for(payloads.size)
    if loops is not None:
        varying, constant, direct, factor = operands
        summed = varying.reshape(-1, layer.neurons.row), constant, direct.reshape(-1, layer.neurons.row), factor
        with loops.LOCK:
            loops.divide(*summed, layer.neurons.offset, layer.neurons.threshold, *limits, *bounds, rows)
        return payloads
    v = final_potential(layer, operands, rows.shape)
    np.clip(v, *limits, out=v)
    rows[...] = np.clip(v // layer.neurons.threshold, *bounds)
    return payloads
