"""Linear operators by their coordinates: as matrices, and as products of one small map per axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.compiler.ir.operators import FloatArray
from spikec.compiler.ir.sparse_maps import sparse_from_matrix, to_matrix
from spikec.compiler.ir.sparse_operator import AxisMap, SparseLinear, along_axes, picking, sparse_linear

RNG = np.random.default_rng(5)


def from_matrix(matrix: FloatArray) -> AxisMap:
    """The map of a matrix (entries of the result, entries of the axis)."""
    entries = sparse_from_matrix(matrix)
    return AxisMap(entries.weight, entries.source, entries.target, matrix.shape[1], matrix.shape[0])


def matrix_of(operator: SparseLinear) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return to_matrix(operator.map, int(np.prod(operator.shape)), int(np.prod(operator.before)))


def test_a_sum_of_weighted_entries() -> None:
    places = np.array([2, 0, 2]), np.array([0, 1, 1])
    operator = sparse_linear(np.array([2.0, 3.0, -1.0]), *places, (3,), (2, 2))
    x = np.array([[1.0, 10.0, 100.0]])
    np.testing.assert_array_equal(operator.evaluate((x,)), [[[200, -97], [0, 0]]])
    assert operator.evaluate((x.astype(np.float32),)).dtype == np.float32


def test_weights_at_one_place_are_one() -> None:
    operator = sparse_linear(
        np.array([1.0, 2.0, -3.0, 4.0]), np.array([1, 0, 1, 1]), np.array([0, 0, 0, 1]), (2,), (2,)
    )
    assert operator.weight.tolist() == [2.0, -2.0, 4.0]
    assert operator.source.tolist() == [0, 1, 1]
    assert operator.target.tolist() == [0, 0, 1]


def test_another_input_does_not_fit() -> None:
    operator = along_axes((2, 3), {})
    assert operator.result_shape(((2, 3),)) == (2, 3)
    with pytest.raises(ValueError, match="do not fit an input of shape"):
        operator.result_shape(((3, 2),))


@given(st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_maps_along_axes_are_a_kronecker_product(before: tuple[int, int], after: tuple[int, int]) -> None:
    matrices = [RNG.integers(-2, 3, (m, n)).astype(float) for m, n in zip(after, before, strict=True)]
    operator = along_axes(before, {axis: from_matrix(matrix) for axis, matrix in enumerate(matrices)})
    assert operator.shape == after
    np.testing.assert_array_equal(matrix_of(operator), np.kron(*matrices))
    places = operator.target * np.prod(before) + operator.source
    assert (np.diff(places) > 0).all()
    assert operator.weight.all()


def test_picking_leaves_out_what_is_not_there() -> None:
    operator = along_axes((3,), {0: picking(np.array([2, -1, 0, 2]), 3)})
    np.testing.assert_array_equal(operator.evaluate((np.array([[5.0, 6.0, 7.0]]),)), [[7, 0, 5, 7]])


@pytest.mark.parametrize(
    ("each", "picks"),
    [
        (picking(np.array([2, 0, 2]), 3), [2, 0, 2]),
        (AxisMap(np.ones(2), np.array([5, 4]), np.array([1, 0]), 6, 2), [4, 5]),
        (picking(np.array([2, -1]), 3), None),
        (AxisMap(np.array([1.0, 0.5]), np.arange(2), np.arange(2), 2, 2), None),
        (AxisMap(np.ones(2), np.arange(2), np.zeros(2, np.int64), 2, 2), None),
    ],
)
def test_what_picks(each: AxisMap, picks: list[int] | None) -> None:
    assert (None if each.picks is None else each.picks.tolist()) == picks
