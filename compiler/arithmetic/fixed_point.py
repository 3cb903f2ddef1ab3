"""Floats as integers on a grid of powers of two, in one slice or several, after Ozaki et al. 2012.

A slice has 22 bits, so products of two slices have 44, and 512 of them add up to 53 at most: exact in a double.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
AnyFloat = npt.NDArray[np.floating[Any]]

SLICE_BITS = 22
DEPTH = 1 << 53 - 2 * SLICE_BITS
"""Products of two slices that can be added exactly."""

_SMALLEST_EXPONENT = -900
"""Below 2^-900 the grid gets no finer, so that its inverse stays finite."""


def slices_for(kind: np.dtype[Any]) -> int:
    """Slices that keep a float type's precision: one for 32 bits (2^-22 of the largest operand), three for 64."""
    return 1 if kind.itemsize <= 4 else 3


def steps(values: AnyFloat, axis: tuple[int, ...], bits: int) -> Doubles:
    """Grid step per entry along the other axes (dimensions kept): a power of two, at least 2^-bits of the largest."""
    highest = values.max(axis=axis, keepdims=True, initial=0.0)
    lowest = values.min(axis=axis, keepdims=True, initial=0.0)
    largest = np.maximum(highest, -lowest).astype(np.float64)
    exponent = np.maximum(np.frexp(largest)[1], _SMALLEST_EXPONENT)
    return np.asarray(np.ldexp(1.0, exponent - bits))


def slices(values: AnyFloat, step: Doubles, count: int) -> list[Doubles]:
    """Integers s_k below 2^22 in magnitude with values = step * sum_k s_k 2^(-22 k), up to the last one's rounding.

    ``step`` broadcasts to ``values`` and comes from ``steps`` with 22 bits. Slices of nothing but zeros are left out
    at the end.
    """
    rest = np.multiply(values, 1 / step, dtype=np.float64)
    found = [np.rint(rest)]
    while len(found) < count:
        rest -= found[-1]
        rest *= float(1 << SLICE_BITS)
        if not rest.any():
            break
        found.append(np.rint(rest))
    return found
