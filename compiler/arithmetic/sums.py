"""Sums, means and covariances of floats that depend on no order of summation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .fixed_point import AnyFloat, Doubles, steps

_MANTISSA = 53
_ROWS_AT_ONCE = 1 << 11


def total(
    values: npt.ArrayLike, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, times: int = 1
) -> Any:
    """Sum over ``axis`` (None: all) in doubles, of ``times`` as many terms if each stands for so many equal ones.

    Each of n terms is rounded to 2^-(53 - log2 n) of the largest of them: some 1e-12 for a thousand, 1e-10 for a
    million. Sums of integers are exact.
    """
    given: AnyFloat = np.asarray(values, dtype=None if _is_float(values) else np.float64)
    axes = tuple(range(given.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    terms = times * math.prod(given.shape[a] for a in axes)
    step = steps(given, axes, _MANTISSA - terms.bit_length())
    integers = np.multiply(given, 1 / step, dtype=np.float64)
    np.rint(integers, out=integers)
    result = integers.sum(axis=axes, keepdims=True) * times * step
    return result if keepdims else result.squeeze(axes)[()]


def mean(values: npt.ArrayLike, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Any:
    """Mean over ``axis`` (None: all) in doubles; as precise as ``total``."""
    summed = total(values, axis, keepdims=keepdims)
    return summed / (np.size(values) / np.size(summed))


def mean_and_covariance(values: AnyFloat) -> tuple[Doubles, Doubles]:
    """Mean (F,) and covariance (F, F), divided by n, of the rows of ``values`` (n, F).

    Entries are rounded to 2^-((53 - log2 n) / 2) of the largest in their column, 2^-19 for 16,384 rows. Variances are
    those of the rounded entries to 2^-50 of themselves, however small beside the mean.
    """
    count = len(values)
    step = steps(values, (0,), (_MANTISSA - count.bit_length()) // 2)
    parts = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, count, _ROWS_AT_ONCE)]
    summed = np.zeros(values.shape[1])
    for part in parts:
        summed += _integers(values[part], step).sum(axis=0)
    centre = np.rint(summed / count)
    squares = np.zeros((values.shape[1],) * 2)
    for part in parts:
        # Squares around the mean do not cancel, and sum up to no more than those around zero.
        apart = _integers(values[part], step) - centre
        squares += apart.T @ apart
    rest = (summed - centre * count) / count
    return summed / count * step[0], (squares / count - rest[:, None] * rest) * (step.T * step)


def _integers(values: AnyFloat, step: Doubles) -> Doubles:
    integers: Doubles = np.multiply(values, 1 / step, dtype=np.float64)
    np.rint(integers, out=integers)
    return integers


def summable(values: AnyFloat) -> Doubles:
    """``values`` rounded so that sums of any of them, in any order, are exact; as ``total`` rounds them."""
    step = steps(values, tuple(range(values.ndim)), _MANTISSA - values.size.bit_length())
    return np.asarray(np.rint(values * (1 / step)) * step)


def _is_float(values: npt.ArrayLike) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "f"
