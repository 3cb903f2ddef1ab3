"""A difference counts where it exceeds its standard error."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikec.compiler.passes.paired_difference import is_certainly_less


def test_an_even_difference_is_certain() -> None:
    one = np.array([1.0, 5.0, 3.0, 2.0])
    assert is_certainly_less(one, one + 0.1)
    assert not is_certainly_less(one + 0.1, one)
    assert not is_certainly_less(one, one)


def test_a_difference_of_few_samples_is_not() -> None:
    one, other = np.zeros(50), np.zeros(50)
    other[:2] = 10.0, -2.0
    assert not is_certainly_less(one, other)
    other[1:6] = 10.0
    assert is_certainly_less(one, other)


@given(st.integers(0, 1000), st.floats(-1, 1))
def test_the_bound_is_the_standard_error(seed: int, shift: float) -> None:
    gained = np.random.default_rng(seed).normal(size=30) + shift
    one = np.random.default_rng(seed + 1).normal(size=30)
    error = gained.std() / np.sqrt(30)
    if abs(gained.mean() - error) > 1e-6:
        assert is_certainly_less(one, one + gained) == (gained.mean() > error)
