"""Exponential, logarithm and power from single operations: those of numpy and libm differ between processors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .fixed_point import Doubles

_LN2_HIGH = 6.93147180369123816490e-01
"""The upper 33 bits of log 2 (fdlibm), so that its products with exponents are exact."""
_LN2_LOW = 1.90821492927058770002e-10
_EXP_TERMS = 14
_LOG_TERMS = 12
_LARGEST_POWER = 64


def exp(values: npt.ArrayLike) -> Doubles:
    """e^x, within two units in the last place."""
    x = np.clip(np.asarray(values, dtype=np.float64), -800.0, 800.0)
    whole = np.rint(x / (_LN2_HIGH + _LN2_LOW))
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    series = np.ones_like(rest)
    for k in range(_EXP_TERMS, 0, -1):
        series = 1.0 + series * rest / k
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(series, np.nan_to_num(whole).astype(np.int64)))


def log(values: npt.ArrayLike) -> Doubles:
    """Natural logarithm, within two units in the last place; -inf at 0, NaN below."""
    exponent, rest = _exponent_and_log(values)
    return exponent * _LN2_HIGH + (exponent * _LN2_LOW + rest)


def log2(values: npt.ArrayLike) -> Doubles:
    """Logarithm to base 2, exact for powers of two."""
    exponent, rest = _exponent_and_log(values)
    return exponent + rest / (_LN2_HIGH + _LN2_LOW)


def power(base: npt.ArrayLike, exponent: npt.ArrayLike) -> Doubles:
    """base^exponent, by multiplying where the exponent is one small integer or a half, otherwise by logarithms."""
    bases, exponents = np.broadcast_arrays(np.asarray(base, dtype=np.float64), np.asarray(exponent, dtype=np.float64))
    given = np.unique(exponents)
    if len(given) == 1 and abs(given[0]) <= _LARGEST_POWER and (2 * given[0]).is_integer():
        return _half_integer_power(bases, float(given[0]))
    return exp(exponents * log(bases))


def _half_integer_power(base: Doubles, exponent: float) -> Doubles:
    whole = math.floor(abs(exponent))
    result = np.sqrt(base) if abs(exponent) != whole else np.ones_like(base)
    for _ in range(whole):
        result = result * base
    return result if exponent >= 0 else 1 / result


def _exponent_and_log(values: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    """x = 2^e m with m around 1 (0.7..1.4): e, and log m as 2 artanh((m - 1) / (m + 1)), for x that is positive."""
    x = np.asarray(values, dtype=np.float64)
    is_ordinary = (x > 0) & np.isfinite(x)
    mantissa, whole = np.frexp(np.where(is_ordinary, x, 1.0))
    is_low = mantissa < math.sqrt(0.5)
    m = np.where(is_low, 2 * mantissa, mantissa)
    z = (m - 1) / (m + 1)
    square, series = z * z, np.zeros_like(z)
    for k in range(_LOG_TERMS, -1, -1):
        series = 1 / (2 * k + 1) + square * series
    exponent: Doubles = np.where(is_low, whole - 1, whole).astype(np.float64)
    outside = np.where(x == 0, -np.inf, np.where(np.isposinf(x), np.inf, np.nan))
    return np.asarray(np.where(is_ordinary, exponent, outside)), np.asarray(2 * z * series)
