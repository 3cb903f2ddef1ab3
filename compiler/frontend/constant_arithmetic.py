"""Operators on constants whose float results would differ between processors, in the compiler's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arithmetic import exp, log, matmul, power, summable

Array = npt.NDArray[Any]

_REDUCTIONS = ("ReduceMean", "ReduceSum")


def own_result(operator: str, arrays: Sequence[Array | None]) -> Array | None:
    """Result of an operator on float constants; None for every other operator."""
    given = [array for array in arrays if array is not None]
    compute = _OPERATORS.get(operator)
    if compute is None or len(given) != len(arrays) or not all(_is_float(array) for array in given):
        return None
    if operator == "MatMul" and any(array.ndim != 2 for array in given):
        return None
    return np.asarray(compute(*given)).astype(given[0].dtype)


def summable_operands(operator: str, arrays: Sequence[Array | None]) -> tuple[list[Array | None], np.dtype[Any] | None]:
    """Operands of an operator, and the float type of its result where it is a sum of what was rounded for it."""
    first = arrays[0] if arrays else None
    if operator not in _REDUCTIONS or first is None or not _is_float(first) or not np.isfinite(first).all():
        return list(arrays), None
    return [summable(first), *arrays[1:]], first.dtype


def _is_float(array: Array) -> bool:
    return array.dtype in (np.float32, np.float64)


_OPERATORS: dict[str, Callable[..., Array]] = {"Exp": exp, "Log": log, "MatMul": matmul, "Pow": power}
