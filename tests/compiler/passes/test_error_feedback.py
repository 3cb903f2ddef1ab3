"""Rounding with error feedback: on the grid, in range, between the best rounding there is and the nearest."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.passes.error_feedback import error_variance, round_with_feedback

Floats = npt.NDArray[np.float64]

# Quadratic forms of up to some hundred terms in doubles: rounding errors of 1e-13 of their size.
_ROUNDING = 1 + 1e-9


def covariance_of(random: np.random.Generator, fan_in: int, rank: int | None = None) -> Floats:
    messages = random.normal(size=(200, rank or fan_in)) @ random.normal(size=(rank or fan_in, fan_in))
    covariance: Floats = np.cov(messages, rowvar=False).reshape(fan_in, fan_in)
    return covariance


def nearest(weight: Floats, grid: Floats) -> Floats:
    return np.asarray(np.rint(weight / grid) * grid)


def smallest_variance(weight: Floats, grid: float, covariance: Floats) -> float:
    """Over every way to round each weight up or down, or one further."""
    base = np.floor(weight / grid)
    choices = product((-1, 0, 1, 2), repeat=len(weight))
    errors = np.array([(base + np.array(c)) * grid - weight for c in choices]).T
    return float(error_variance(errors, covariance).min())


@pytest.mark.parametrize("fan_in", [1, 2, 4, 6])
@pytest.mark.parametrize("seed", range(5))
def test_lies_between_the_best_of_all_roundings_and_the_nearest(fan_in: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    covariance, weight = covariance_of(random, fan_in, max(1, fan_in // 2)), random.normal(size=(fan_in, 1))
    grid = np.full((1, 1), 0.1)
    rounded = round_with_feedback(weight, grid, np.full((fan_in, 1), 1000.0), covariance)
    reached = float(error_variance(rounded - weight, covariance)[0])
    assert reached <= float(error_variance(nearest(weight, grid) - weight, covariance)[0])
    # Feedback may leave the neighbourhood that is searched, and may then be better still.
    searched = np.abs(rounded - weight).max() <= 0.1
    assert not searched or reached * _ROUNDING >= smallest_variance(weight[:, 0], 0.1, covariance)


def test_finds_the_cancellation_that_a_person_sees() -> None:
    """Two synapses that always fire together: 0.4 + 0.4 is best written as 1 + 0, not as 0 + 0."""
    together = np.ones((2, 2))
    rounded = round_with_feedback(np.array([[0.4], [0.4]]), np.ones((1, 1)), np.full((2, 1), 9.0), together)
    assert sorted(rounded[:, 0].tolist()) == [0, 1]


def test_the_weight_whose_message_varies_most_is_rounded_first() -> None:
    covariance = np.array([[1.0, 1.9], [1.9, 4.0]])
    rounded = round_with_feedback(np.array([[0.3], [0.4]]), np.ones((1, 1)), np.full((2, 1), 9.0), covariance)
    # 0.4 -> 0 leaves -0.4 * 1.9 / 1.1, so that 0.3 aims at 0.99.
    assert rounded[:, 0].tolist() == [1, 0]


def test_is_far_better_than_nearest_on_correlated_messages() -> None:
    random = np.random.default_rng(0)
    covariance, weight = covariance_of(random, 144, 30), random.normal(size=(144, 50))
    grid = np.full((1, 1), 0.05)
    rounded = round_with_feedback(weight, grid, np.full((144, 1), 1000.0), covariance)
    ours, theirs = (error_variance(q - weight, covariance).mean() for q in (rounded, nearest(weight, grid)))
    assert ours < theirs / 4


def test_more_weights_than_a_panel_give_what_one_by_one_gives() -> None:
    """The equation of the docstring, weight by weight, without panels."""
    random = np.random.default_rng(3)
    covariance, weight = covariance_of(random, 150), random.normal(size=(150, 3))
    order = np.argsort(np.diag(covariance), kind="stable")
    damped = covariance[np.ix_(order, order)] + 0.1 * np.diag(covariance).mean() * np.eye(150)
    upper = np.linalg.cholesky(damped).T
    sorted_weight, error = weight[order], np.zeros((150, 3))
    for i in reversed(range(150)):
        aim = sorted_weight[i] - upper[i, i + 1 :] @ error[i + 1 :] / upper[i, i]
        error[i] = np.rint(aim / 0.1) * 0.1 - sorted_weight[i]
    expected = np.empty_like(weight)
    expected[order] = sorted_weight + error
    rounded = round_with_feedback(weight, np.full((1, 1), 0.1), np.full((150, 1), 1e6), covariance)
    assert np.array_equal(np.rint(rounded / 0.1), np.rint(expected / 0.1))


def test_silent_messages_are_rounded_to_nearest() -> None:
    weight = np.random.default_rng(0).normal(size=(9, 4))
    rounded = round_with_feedback(weight, np.full((1, 1), 0.25), np.full((9, 1), 99.0), np.zeros((9, 9)))
    assert np.array_equal(rounded, nearest(weight, np.full((1, 1), 0.25)))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    fan_in=st.integers(1, 90),
    limit=st.integers(1, 127),
    rank=st.integers(1, 90),
    sparsity=st.floats(0, 0.9),
)
def test_on_the_grid_within_the_limit_zero_where_zero_and_no_worse(
    seed: int, fan_in: int, limit: int, rank: int, sparsity: float
) -> None:
    random = np.random.default_rng(seed)
    covariance = covariance_of(random, fan_in, min(rank, fan_in))
    weight = random.normal(size=(fan_in, 5)) * (random.random((fan_in, 5)) >= sparsity)
    grid = np.maximum(np.abs(weight).max(axis=0), 1e-3)[None] / limit * np.array([1.0, 2.0])[random.integers(0, 2)]
    rounded = round_with_feedback(weight, grid, np.full((fan_in, 1), float(limit)), covariance)
    steps = rounded / grid
    assert np.abs(steps - np.rint(steps)).max() < 1e-9
    assert np.abs(np.rint(steps)).max() <= limit
    assert not rounded[weight == 0].any()
    ours, theirs = (error_variance(q - weight, covariance) for q in (rounded, nearest(weight, grid)))
    assert (ours <= theirs * _ROUNDING).all()
