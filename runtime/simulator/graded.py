"""``graded``: one division for each neuron."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .messages import Messages, narrowest_unsigned
from .neurons import LayerInput, divide
from .plan import Layer


def payload_type(payloads: tuple[int, int]) -> npt.DTypeLike:
    """Narrowest type that holds ``payloads``, least and largest: unsigned where none is below 0."""
    low, high = payloads
    return narrowest_unsigned(high) if low >= 0 else np.int32


def payloads_of(layer: Layer, received: LayerInput) -> Messages:
    """Payloads (n, H, W, C), clip(floor(u / threshold), least, largest), of a population of graded neurons."""
    bounds = layer.population.payloads
    payloads = np.empty((received.samples, *layer.map), dtype=payload_type(bounds))
    divide(layer, received, (layer.bounds.lowest, layer.bounds.highest), bounds, payloads)
    return payloads
