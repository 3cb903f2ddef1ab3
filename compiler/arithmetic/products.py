"""Products of float matrices that depend on no order of summation."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from .fixed_point import DEPTH, SLICE_BITS, AnyFloat, Doubles, slices, slices_for, steps

_ENTRIES_AT_ONCE = 1 << 22
"""Of one operand, whose slices are doubles."""
_WORTH_THREADS = 1 << 26
"""Multiplications from which on threads of BLAS gain more than they burn while they wait for the next product."""
_OF_ONE_THREAD = 1 << 18
"""Multiplications up to which OpenBLAS starts none."""
_COLUMNS_OF_ONE_THREAD = 64
_DEPTH_OF_ONE_THREAD = 128
"""With as many columns 32 rows are left, so that packing the right operand costs little beside its use."""

Floats = TypeVar("Floats", bound=AnyFloat)


def matmul(left: Floats, right: Floats, *, count: int | None = None) -> Floats:
    """``left`` (M, K) times ``right`` (K, N), of one float type.

    With ``count`` slices (default: as many as the type is worth) an operand is off by 2^(-22 count) of the largest in
    its row of ``left`` or column of ``right``; the sums are exact but for 2^-53 per 512 terms.
    """
    kind = np.result_type(left, right)
    result = np.zeros((left.shape[0], right.shape[1]), dtype=kind)
    if not (left.any() and right.any()):
        return result  # type: ignore[return-value]
    count = slices_for(kind) if count is None else count
    columns = max(1, _ENTRIES_AT_ONCE // len(right))
    for first in range(0, right.shape[1], columns):
        _multiply(result[:, first : first + columns], left, right[:, first : first + columns], count)
    return result  # type: ignore[return-value]


def _multiply(result: AnyFloat, left: AnyFloat, right: AnyFloat, count: int) -> None:
    """Write the product of ``left`` and ``right``, which takes ``count`` slices, into ``result``."""
    step = steps(right, (0,), SLICE_BITS)
    parts = slices(right, step, count)
    rows = max(1, _ENTRIES_AT_ONCE // max(1, *left.shape[1:], *right.shape[1:]))
    for first in range(0, len(left), rows):
        some = left[first : first + rows]
        scale = steps(some, (1,), SLICE_BITS)
        product = sliced_product(slices(some, scale, count), parts, count)
        product *= scale
        product *= step
        result[first : first + rows] = product


def sliced_product(left: list[Doubles], right: list[Doubles], count: int) -> Doubles:
    """Sum of the products of slices whose places add up to less than ``count``, smallest first, in steps of both."""
    total: Doubles = np.zeros((left[0].shape[0], right[0].shape[1]))
    for place in reversed(range(count)):
        total *= 2.0**-SLICE_BITS
        for i, part in enumerate(left[: place + 1]):
            if place - i < len(right):
                _add_product(total, part, right[place - i])
    return total


def _add_product(total: Doubles, left: Doubles, right: Doubles) -> None:
    for first in range(0, len(right), DEPTH):
        _add_exact_product(total, left[:, first : first + DEPTH], right[first : first + DEPTH])


def _add_exact_product(total: Doubles, left: Doubles, right: Doubles) -> None:
    (rows, depth), columns = left.shape, right.shape[1]
    if not _OF_ONE_THREAD < rows * depth * columns < _WORTH_THREADS:
        total += _product(left, right)
        return
    wide, deep = min(columns, _COLUMNS_OF_ONE_THREAD), min(depth, _DEPTH_OF_ONE_THREAD)
    high = max(1, _OF_ONE_THREAD // (deep * wide))
    for column in range(0, columns, wide):
        for first in range(0, depth, deep):
            some = right[first : first + deep, column : column + wide]
            for row in range(0, rows, high):
                product = _product(left[row : row + high, first : first + deep], some)
                total[row : row + high, column : column + wide] += product


def _product(left: Doubles, right: Doubles) -> Doubles:
    if 1 in (len(left), right.shape[1]):
        # BLAS starts threads for far smaller matrices where they meet a vector.
        return np.asarray(np.einsum("ik,kj->ij", left, right))
    return left @ right
