"""Cholesky factors and what they solve, by panels: single operations inside a panel, sliced products between them."""

from __future__ import annotations

import numpy as np

from .fixed_point import SLICE_BITS, Doubles, slices
from .products import matmul, sliced_product

_PANEL = 32


def cholesky(matrix: Doubles) -> Doubles:
    """Lower triangular L with L L^T = ``matrix`` (n, n), symmetric and positive definite.

    L's rows are off by some 2^-22 of their largest entry, which a smallest eigenvalue of 1e-5 of the largest diagonal
    entry has to bear. ArithmeticError if the matrix is not positive definite.
    """
    size = len(matrix)
    lower, integers = np.zeros((size, size)), np.zeros((size, size))
    # No entry of a row is larger than the root of its diagonal entry.
    step = np.ldexp(1.0, np.frexp(np.sqrt(np.maximum(np.diag(matrix), 0.0)))[1] - SLICE_BITS)[:, None]
    for start in range(0, size, _PANEL):
        stop = min(start + _PANEL, size)
        done = sliced_product([integers[start:stop, :start]], [integers[start:, :start].T], 1)
        panel = _factored_panel(matrix[start:stop, start:] - done * step[start:stop] * step[start:].T)
        lower[start:, start:stop] = panel.T
        integers[start:, start:stop] = slices(panel.T, step[start:], 1)[0]
    return lower


def cholesky_solve(lower: Doubles, right: Doubles) -> Doubles:
    """X (n, m) with L L^T X = ``right`` (n, m), L being the triangle ``lower`` that ``cholesky`` gives."""
    return _substituted(lower[::-1, ::-1].T, _substituted(lower, right)[::-1])[::-1]


def _substituted(lower: Doubles, right: Doubles) -> Doubles:
    found = np.zeros_like(right)
    for start in range(0, len(lower), _PANEL):
        stop = min(start + _PANEL, len(lower))
        rest = right[start:stop].copy()
        if start:
            rest -= matmul(np.ascontiguousarray(lower[start:stop, :start]), found[:start], count=2)
        for j in range(start, stop):
            found[j] = rest[j - start] / lower[j, j]
            rest[j - start + 1 :] -= lower[j + 1 : stop, j, None] * found[j]
    return found


def _factored_panel(rows: Doubles) -> Doubles:
    """Columns of L, one per row; ``rows`` (columns, n) are those of the matrix, and are overwritten."""
    for j, row in enumerate(rows):
        if not row[j] > 0:
            raise ArithmeticError("the matrix is not positive definite")
        row[:j] = 0
        row[j:] /= np.sqrt(row[j])
        rows[j + 1 :, j:] -= row[j + 1 : len(rows), None] * row[None, j:]
    return rows
