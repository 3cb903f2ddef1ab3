"""Windows of average pools: which there are, and what they are divided by, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.ir.operators import AveragePool


def pool(kernel: int, stride: int, before: int, after: int, *, ceil: bool, count_padding: bool = False) -> AveragePool:
    return AveragePool((kernel, 1), (stride, 1), (before, 0, after, 0), count_padding, ceil)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after", "floor", "ceil"),
    [
        pytest.param(5, 2, 2, 0, 0, 2, 3, id="the last window sees row 4 alone"),
        pytest.param(5, 3, 4, 0, 1, 1, 2, id="begins at row 4, the last one"),
        pytest.param(4, 3, 4, 0, 1, 1, 1, id="would begin at row 4, the first below the map"),
        pytest.param(3, 3, 4, 0, 1, 1, 1, id="would begin two rows below the map"),
        pytest.param(4, 2, 3, 1, 1, 2, 2, id="padding above moves where windows begin"),
        pytest.param(6, 2, 2, 0, 0, 3, 3, id="nothing is missing"),
    ],
)
def test_a_window_of_ceil_mode_begins_within_the_map(
    size: int, kernel: int, stride: int, before: int, after: int, floor: int, ceil: int
) -> None:
    for is_ceil, rows in ((False, floor), (True, ceil)):
        operator = pool(kernel, stride, before, after, ceil=is_ceil)
        assert operator.result_shape(((1, size, 1),)) == (1, rows, 1)
        assert operator.divisor((size, 1)).shape == (rows, 1)


@pytest.mark.parametrize(
    ("count_padding", "divisors"),
    [(False, [1, 2, 1]), (True, [2, 2, 2])],
)
def test_padding_is_counted_or_not(count_padding: bool, divisors: list[int]) -> None:
    operator = pool(2, 2, 1, 1, ceil=False, count_padding=count_padding)
    assert operator.divisor((4, 1)).ravel().tolist() == divisors
    means = operator.evaluate((np.array([3.0, 5.0, 7.0, 9.0]).reshape(1, 1, 4, 1),))
    assert means.ravel().tolist() == [3 / divisors[0], 12 / divisors[1], 9 / divisors[2]]


def test_rows_that_ceil_mode_adds_are_never_counted() -> None:
    operator = pool(3, 2, 1, 1, ceil=True, count_padding=True)
    # Rows -1..4 of a map of 4: windows begin at -1, 1 and 3; the last one sees row 3, the padding, and one row more.
    assert operator.divisor((4, 1)).ravel().tolist() == [3, 3, 2]


def test_rows_that_ceil_mode_adds_all_lie_below() -> None:
    operator = pool(4, 3, 2, 1, ceil=True, count_padding=True)
    # Windows begin at -2, 1, 4 and 7; the last one sees row 7, the padding, and two rows more.
    assert operator.divisor((8, 1)).ravel().tolist() == [4, 4, 4, 2]
    means = operator.evaluate((np.arange(1.0, 9.0).reshape(1, 1, 8, 1),))
    assert means.ravel().tolist() == [3 / 4, 14 / 4, 26 / 4, 8 / 2]
