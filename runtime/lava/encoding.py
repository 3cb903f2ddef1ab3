"""Exact encodings of integer synapses for Lava's Conv, Dense and Sparse processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..program import ConvSynapses, IntArray

Integers = npt.NDArray[np.signedinteger[Any]]

_DIGIT_BITS = 8
"""Dense and Sparse keep 9 signed bits of a mixed-sign weight and drop the lowest: 8 bits of it are exact."""


def smallest_integers(values: IntArray) -> Integers:
    """The same ``values`` in the narrowest signed type that holds them."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in (np.int8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return values.astype(dtype)
    return values


@dataclass(frozen=True, slots=True, eq=False)
class ConvEncoding:
    """Arguments of ``lava.proc.conv.process.Conv``, all in its (columns, rows) order.

    ``weight`` (O, columns, rows, I/groups) is flipped: Conv is a true convolution, torch's a correlation.
    ``padding`` is symmetric, the same before and after.
    """

    weight: Integers
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def encode_convolution(synapses: ConvSynapses, weight: IntArray) -> ConvEncoding:
    """Encode ``weight`` (O, I/groups, rows, columns) with the geometry of ``synapses``.

    Conv pads both sides alike. Padding (before, after) of an axis that differs or crops becomes p on both sides,
    p = max(before, after, 0), with p - before zero rows in front of the kernel and p - after behind it: the
    kernel then reads zeros weighted by zero, and the output size stays. A dilated axis is un-dilated first.
    """
    geometry = synapses.geometry
    top, left, bottom, right = geometry.padding
    padding, dilation = [top, left], list(geometry.dilation)
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        if before == after >= 0:
            continue
        padding[axis] = max(before, after, 0)
        weight = _grow_kernel(weight, 2 + axis, dilation[axis], padding[axis] - before, padding[axis] - after)
        dilation[axis] = 1
    flipped = smallest_integers(weight)[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)
    return ConvEncoding(
        weight=np.ascontiguousarray(flipped),
        stride=(geometry.stride[1], geometry.stride[0]),
        padding=(padding[1], padding[0]),
        dilation=(dilation[1], dilation[0]),
        groups=geometry.groups,
    )


def _grow_kernel(weight: IntArray, axis: int, dilation: int, before: int, after: int) -> IntArray:
    shape = list(weight.shape)
    extent = dilation * (shape[axis] - 1) + 1
    shape[axis] = before + extent + after
    grown = np.zeros(shape, dtype=weight.dtype)
    window = [slice(None)] * weight.ndim
    window[axis] = slice(before, before + extent, dilation)
    grown[tuple(window)] = weight
    return grown


@dataclass(frozen=True, slots=True, eq=False)
class Digit:
    """``weights`` and ``weight_exp`` of one Dense or Sparse process of Lava's in mixed sign mode."""

    weights: Integers
    weight_exp: int


def encode_digits(weight: IntArray) -> tuple[Digit, ...]:
    """Encode ``weight`` of any shape as Dense or Sparse processes whose outputs add up to it exactly.

    Both clip mixed-sign weights to -256..255 and drop the lowest bit, then shift the sum by ``weight_exp``:
    weights 2*m with exponent e - 1 are exactly m * 2**e for m in -128..127. A common power of two goes to the
    exponent; what is still wider is split into digits of base 256, one process each.
    """
    exponent = _common_power_of_two(weight)
    remaining = weight >> exponent
    digits: list[Digit] = []
    while not digits or remaining.any():
        half = 1 << (_DIGIT_BITS - 1)
        digit = ((remaining + half) & ((1 << _DIGIT_BITS) - 1)) - half
        if digit.any() or not remaining.any():
            digits.append(Digit(smallest_integers(2 * digit), exponent - 1))
        remaining = (remaining - digit) >> _DIGIT_BITS
        exponent += _DIGIT_BITS
    return tuple(digits)


def _common_power_of_two(weight: IntArray) -> int:
    bits = int(np.bitwise_or.reduce(np.abs(weight), axis=None)) if weight.size else 0
    return (bits & -bits).bit_length() - 1 if bits else 0


def message_bits(bounds: tuple[int, int]) -> int:
    """Bits of a graded message between ``bounds``, sign included."""
    low, high = bounds
    return max(1, max(high, -low - 1).bit_length() + (low < 0))
