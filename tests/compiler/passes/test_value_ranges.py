"""Ranges hold every value that there can be, and grids only where values lie on them."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import FloatArray
from spikec.compiler.ir.sparse_maps import sparse_from_matrix
from spikec.compiler.ir.sparse_operator import sparse_linear
from spikec.compiler.passes.value_ranges import UNKNOWN, Range, value_ranges

GRID = Range(-1.0, 2.0, 1.0, 4)


def range_behind(matrix: FloatArray, given: Range) -> Range:
    entries, (size, before) = sparse_from_matrix(matrix), matrix.shape
    operator = sparse_linear(entries.weight, entries.source, entries.target, (before,), (size,))
    node = Node("sparse", operator, (INPUT,), (size,))
    return value_ranges(Network("net", (before,), (node,), "sparse"), given)["sparse"]


@pytest.mark.parametrize(
    ("matrix", "given", "expected"),
    [
        ([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], GRID, GRID),
        ([[0.0, -2.0], [-2.0, 0.0]], GRID, Range(-4.0, 2.0, 2.0, 4)),
        ([[1.0, 0.0], [0.0, 0.0]], Range(1.0, 2.0, 1.0, 4), Range(0.0, 2.0, 1.0, 4)),
        ([[1.0, 0.0], [0.0, 0.0]], Range(1.1, 2.1, 1.0, 4), Range(0.0, 2.1)),
        ([[1.0, 0.0], [0.0, 2.0]], GRID, Range(-2.0, 4.0)),
        ([[0.5, 0.5], [1.0, -3.0]], GRID, Range(-7.0, 5.0)),
        ([[0.0, 0.0]], GRID, Range(0.0, 0.0)),
        ([[1.0, 0.0]], UNKNOWN, UNKNOWN),
        ([[0.5, 0.5]], UNKNOWN, UNKNOWN),
    ],
)
def test_range_behind_synapses(matrix: list[list[float]], given: Range, expected: Range) -> None:
    assert range_behind(np.array(matrix), given) == expected
