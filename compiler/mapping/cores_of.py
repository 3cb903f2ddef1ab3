"""Which core holds each neuron: cores are counted from 0, layer by layer in the order of the program."""

from __future__ import annotations

import numpy as np

from ...runtime.program import IntArray
from .placement import LayerPlacement, Placement


def cores_of(placement: Placement) -> dict[str, IntArray]:
    """For each population the core of each of its neurons, in C order.

    The boxes of a layer follow each other by channels, then rows, then columns. A layer of which a neuron does not
    fit has the cores that it would take without that limit.
    """
    found, used = {}, 0
    for layer in placement.layers:
        found[layer.name] = used + _boxes(layer)
        used += int(np.prod(layer.splits))
    return found


def _boxes(layer: LayerPlacement) -> IntArray:
    channels, rows, columns = (
        np.arange(length, dtype=np.int64) // size for length, size in zip(layer.map, layer.tile, strict=True)
    )
    _, row_boxes, column_boxes = layer.splits
    boxes = (channels[:, None, None] * row_boxes + rows[:, None]) * column_boxes + columns
    return np.asarray(boxes.ravel(), dtype=np.int64)
