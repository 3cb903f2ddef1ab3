"""Arithmetic of the compiler: right, and the same in any order of its terms."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.compiler import arithmetic
from spikec.compiler.arithmetic.fixed_point import DEPTH, SLICE_BITS, slices, steps
from spikec.compiler.arithmetic.products import sliced_product
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.simulator.kernels import convolve

Doubles = npt.NDArray[np.float64]


def spread(random: np.random.Generator, shape: tuple[int, ...]) -> Doubles:
    """Numbers of many magnitudes, so that sums lose digits in every order."""
    return np.asarray(random.normal(size=shape) * np.exp(3 * random.normal(size=shape)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3000))
def test_a_sum_is_near_the_exact_one_and_the_same_in_any_order(seed: int, terms: int) -> None:
    random = np.random.default_rng(seed)
    values = spread(random, (terms,))
    summed = arithmetic.total(values)
    assert arithmetic.total(random.permutation(values)) == summed
    assert abs(summed - math.fsum(values)) <= terms * np.abs(values).max() * 2.0 ** -(52 - terms.bit_length())


def test_sums_along_axes_of_integers_of_nothing_and_of_zeros() -> None:
    values = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(arithmetic.total(values, axis=(0, 2), keepdims=True), values.sum((0, 2), keepdims=True))
    assert np.array_equal(arithmetic.mean(values, axis=1), values.mean(axis=1))
    assert arithmetic.total(np.zeros(0)) == 0
    assert arithmetic.total(np.zeros((3, 5))) == 0
    assert arithmetic.total(np.full(4, 1e-310)) == pytest.approx(4e-310, rel=1)
    assert arithmetic.total(np.array([1e308, -1e308])) == 0


@given(st.integers(0, 2**32 - 1))
def test_sums_of_summable_values_are_exact(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = arithmetic.summable(spread(random, (200,)))
    assert random.permutation(values).sum() == math.fsum(values)


@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.sampled_from([np.float32, np.float64]))
def test_a_product_is_the_same_whatever_the_order_of_its_terms(seed: int, depth: int, kind: type[np.float64]) -> None:
    random = np.random.default_rng(seed)
    depth = min(depth, DEPTH)  # beyond, parts are added one after the other
    left, right = spread(random, (4, depth)).astype(kind), spread(random, (depth, 3)).astype(kind)
    order = random.permutation(depth)
    product = arithmetic.matmul(left, right)
    assert product.dtype == kind
    assert np.array_equal(arithmetic.matmul(left[:, order], right[order]), product)
    scale = np.abs(left).max(axis=1)[:, None] * np.abs(right).max(axis=0)
    error = np.abs(product - left.astype(np.float64) @ right) / scale
    assert error.max() <= depth * (2.0**-20 if kind is np.float32 else 2.0**-41)


def test_the_largest_slices_add_up_exactly() -> None:
    largest = np.full((1, DEPTH), float(1 << SLICE_BITS))
    assert sliced_product([largest], [largest.T], 1)[0, 0] == float(DEPTH << 2 * SLICE_BITS) == 2.0**53


@pytest.mark.parametrize(("rows", "depth", "columns"), [(70, 300, 130), (1, 300, 1000), (1000, 513, 1), (33, 512, 64)])
def test_a_product_in_pieces_leaves_nothing_out(rows: int, depth: int, columns: int) -> None:
    random = np.random.default_rng(0)
    left, right = (random.integers(-1000, 1000, shape) for shape in ((rows, depth), (depth, columns)))
    assert np.array_equal(sliced_product([left.astype(float)], [right.astype(float)], 1), left @ right)


def test_slices_hold_what_they_were_made_of() -> None:
    values = spread(np.random.default_rng(0), (5, 9))
    step = steps(values, (1,), SLICE_BITS)
    parts = slices(values, step, 3)
    assert all(np.abs(part).max() <= 1 << SLICE_BITS for part in parts)
    assert np.array_equal(sum(step * part * 2.0 ** (-SLICE_BITS * k) for k, part in enumerate(parts)), values)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("geometry", "shape"),
    [
        (ConvGeometry(padding=(1, 1, 1, 1)), (5, 4, 3, 3)),
        (ConvGeometry((2, 1), (0, 1, 2, 0), (1, 2)), (3, 4, 2, 3)),
        (ConvGeometry(padding=(-1, 0, 1, -2)), (2, 4, 3, 2)),
        (ConvGeometry(padding=(1, 1, 1, 1), groups=2), (6, 2, 3, 3)),
        (ConvGeometry((2, 2), (1, 1, 1, 1), groups=4), (8, 1, 3, 3)),
    ],
)
def test_convolution(kind: type[np.float64], geometry: ConvGeometry, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    maps, weight = random.normal(size=(3, 4, 8, 9)).astype(kind), random.normal(size=shape).astype(kind)
    convolved = arithmetic.convolve(maps, weight, geometry)
    expected = convolve(maps.astype(np.float64), weight.astype(np.float64), geometry)
    assert convolved.dtype == kind
    np.testing.assert_allclose(convolved, expected, rtol=0, atol=2e-5 if kind is np.float32 else 1e-11)


def test_a_sample_is_convolved_alike_in_every_batch() -> None:
    random = np.random.default_rng(2)
    maps, weight = random.normal(size=(6, 3, 7, 7)).astype(np.float32), random.normal(size=(4, 3, 3, 3))
    together = arithmetic.convolve(maps, weight.astype(np.float32), ConvGeometry())
    alone = [arithmetic.convolve(one[None], weight.astype(np.float32), ConvGeometry()) for one in maps]
    assert np.array_equal(together, np.concatenate(alone))


def test_mean_and_covariance_are_the_same_in_any_order_of_the_rows() -> None:
    random = np.random.default_rng(3)
    seen = (random.random((5000, 6)) * [1, 255, 1e-3, 1, 1, 0]).astype(np.float32)
    mean, covariance = arithmetic.mean_and_covariance(seen)
    shuffled = arithmetic.mean_and_covariance(random.permutation(seen))
    assert np.array_equal(mean, shuffled[0])
    assert np.array_equal(covariance, shuffled[1])
    spread_of = np.maximum(seen.std(axis=0), 1e-9)
    np.testing.assert_allclose(mean, seen.mean(axis=0, dtype=np.float64), rtol=1e-5)
    expected = np.cov(seen.T.astype(np.float64), bias=True)
    assert (np.abs(covariance - expected) <= 1e-5 * spread_of[:, None] * spread_of).all()


def test_a_variance_is_right_however_small_beside_the_mean() -> None:
    """One row differs from the others in the last digit that is kept."""
    for count in (2, 3, 1000):
        seen = np.full((count, 2), 1.0)
        seen[0] = 1 - 2.0**-18, 1 - 2.0**-17
        covariance = arithmetic.mean_and_covariance(seen)[1]
        share = (1 - 1 / count) / count
        expected = np.outer([2.0**-18, 2.0**-17], [2.0**-18, 2.0**-17]) * share
        np.testing.assert_allclose(covariance, expected, rtol=2.0**-45)  # some roundings of doubles


@pytest.mark.parametrize("size", [1, 31, 32, 33, 100])
def test_cholesky(size: int) -> None:
    random = np.random.default_rng(size)
    root = random.normal(size=(size, size + 3)) * np.exp(random.normal(size=(size, 1)))
    matrix = root @ root.T + 0.1 * np.eye(size)
    lower = arithmetic.cholesky(matrix)
    assert np.array_equal(lower, np.tril(lower))
    scale = np.sqrt(np.diag(matrix))
    assert (np.abs(lower @ lower.T - matrix) <= 1e-5 * scale[:, None] * scale).all()


@pytest.mark.parametrize("size", [1, 31, 100])
def test_what_a_cholesky_factor_solves(size: int) -> None:
    random = np.random.default_rng(size)
    root = random.normal(size=(size, size + 3))
    matrix = root @ root.T + 0.5 * size * np.eye(size)
    wanted = random.normal(size=(size, 4))
    found = arithmetic.cholesky_solve(arithmetic.cholesky(matrix), matrix @ wanted)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_cholesky_of_what_is_not_positive_definite() -> None:
    with pytest.raises(ArithmeticError, match="not positive definite"):
        arithmetic.cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_exponential_logarithm_and_power() -> None:
    x = np.random.default_rng(4).normal(size=2000) * 60
    np.testing.assert_allclose(arithmetic.exp(x), [math.exp(v) for v in x], rtol=1e-15)
    np.testing.assert_allclose(arithmetic.log(np.abs(x)), [math.log(abs(v)) for v in x], rtol=1e-15, atol=1e-15)
    assert arithmetic.exp([0, -np.inf, -800, np.inf]).tolist() == [1, 0, 0, np.inf]
    assert arithmetic.log([0, 1, np.inf]).tolist() == [-np.inf, 0, np.inf]
    assert np.isnan(arithmetic.log([-1, np.nan])).all()
    assert arithmetic.log2(2.0 ** np.arange(-60, 60)).tolist() == list(range(-60, 60))
    assert arithmetic.power([2, -3, 4], 3).tolist() == [8, -27, 64]
    assert arithmetic.power([4, 9], -0.5).tolist() == [0.5, 1 / 3]
    np.testing.assert_allclose(arithmetic.power([2, 3], [0.3, 1.7]), [2**0.3, 3**1.7], rtol=1e-14)


def test_sums_over_windows() -> None:
    maps = np.random.default_rng(5).normal(size=(2, 3, 5, 5)).astype(np.float32)
    pooled = arithmetic.sum_pool(maps, (2, 2), ConvGeometry((2, 2), (1, 1, 0, 0)))
    expected = convolve(maps, np.ones((3, 1, 2, 2), np.float32), ConvGeometry((2, 2), (1, 1, 0, 0), groups=3))
    np.testing.assert_allclose(pooled, expected, atol=1e-6)
