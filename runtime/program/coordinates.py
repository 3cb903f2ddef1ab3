"""What the coordinates of sparse weights must satisfy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .program import IntArray, Shape


def fault_of_coordinates(
    weight: npt.NDArray[Any], ends: tuple[IntArray, IntArray], shapes: tuple[Shape, Shape]
) -> str | None:
    """What is wrong with ``weight`` at the ``ends`` (source and target neurons) between maps of ``shapes``, or None.

    The maps have at most 2^26 neurons each.
    """
    if weight.ndim != 1 or not weight.shape == ends[0].shape == ends[1].shape:
        return "weights and their coordinates are not one for one"
    for title, places, shape in zip(("source", "target"), ends, shapes, strict=True):
        neurons = math.prod(shape)
        low, high = int(places.min(initial=0)), int(places.max(initial=0))
        if low < 0 or high >= neurons:
            return f"there is no {title} neuron {low if low < 0 else high} among {neurons}"
    # The place in the matrix fits 64 bits.
    source, target = ends
    if (np.diff(target * math.prod(shapes[0]) + source) <= 0).any():
        return "coordinates do not ascend by target and source, each pair once"
    return None
