"""Standard errors on small sets that can be written down."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.evaluation.paired import packed, paired_difference, sampling_error, unpacked

_A = np.array([1, 1, 1, 0, 1, 0, 1, 1, 0, 1], dtype=bool)
_B = np.array([1, 0, 1, 0, 0, 0, 1, 1, 1, 0], dtype=bool)


@pytest.mark.parametrize("samples", [1, 7, 8, 10])
def test_what_was_right_survives_a_journal(samples: int) -> None:
    np.testing.assert_array_equal(unpacked(packed(_A[:samples]), samples), _A[:samples])


def test_the_error_of_one_network_is_binomial() -> None:
    assert sampling_error([_A]) == pytest.approx((0.7 * 0.3 / 9) ** 0.5)
    assert sampling_error([_A[:1]]) == 0


def test_networks_that_are_right_on_the_same_samples_leave_the_error_of_one() -> None:
    assert sampling_error([_A, _A, _A]) == pytest.approx(sampling_error([_A]))
    assert sampling_error([_A, ~_A]) == 0


def test_a_paired_difference_knows_that_the_samples_are_the_same() -> None:
    found = paired_difference([_A], [_B])
    apart = np.array(_A, dtype=float) - _B
    assert found.mean == pytest.approx(apart.mean())
    assert found.error == pytest.approx(apart.std(ddof=1) / 10**0.5)
    assert paired_difference([_A], [_A]).error == 0


def test_networks_that_differ_add_their_own_error() -> None:
    found = paired_difference([_A, _B], [_B, _B])
    apart = np.stack([np.array(_A, dtype=float) - _B, np.zeros(10)])
    samples = apart.mean(axis=0).std(ddof=1) / 10**0.5
    assert found.mean == pytest.approx(apart.mean())
    assert found.error == pytest.approx(np.hypot(samples, apart.mean(axis=1).std(ddof=1) / 2**0.5))
