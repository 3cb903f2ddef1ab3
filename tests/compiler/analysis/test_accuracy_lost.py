"""What is lost between the ANN and its spikes, with its error, and when that is a finding."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spikec.compiler.analysis.ledger import Loss, accuracy_lost


def column(samples: int, *wrong: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    right = np.ones(samples, dtype=np.bool_)
    right[list(wrong)] = False
    return right


def test_only_samples_that_differ_make_the_error() -> None:
    before, after = column(100, 0, 1, 2, 3), column(100, 0, 1, 4, 5, 6, 7, 8, 9)
    loss = Loss.between(before, after)
    assert (loss.points, loss.samples) == (4, 100)
    assert loss.error == pytest.approx(math.sqrt(6 + 2 - 16 / 100))
    assert Loss.between(before, before) == Loss(0, 0, 100)


def test_the_error_is_the_deviation_of_the_mean_difference() -> None:
    random = np.random.default_rng(0)
    before, after = random.random((2, 200)) < [[0.9], [0.7]]
    difference = before.astype(float) - after
    assert Loss.between(before, after).error == pytest.approx(100 * difference.std() / math.sqrt(200))


@pytest.mark.parametrize(
    ("loss", "bound", "is_told"),
    [
        (Loss(5.0, 1.0, 256), 1.0, True),
        (Loss(5.0, 4.5, 30), 1.0, False),
        (Loss(1.0, 0.0, 256), 1.0, False),
        (Loss(5.0, 1.0, 256), 10.0, False),
        (Loss(-2.0, 0.5, 256), 0.0, False),
        (None, 0.0, False),
    ],
)
def test_a_loss_is_told_beyond_its_bound_and_error(loss: Loss | None, bound: float, is_told: bool) -> None:
    found = list(accuracy_lost(loss, bound))
    assert [d.code for d in found] == ["W213"] * is_told
    if is_told:
        assert found[0].message.startswith("the program loses 5.0 +- 1.0 points of accuracy")
        assert (found[0].measured, found[0].limit) == (5.0, bound)


def test_graded_neurons_have_no_steps_to_raise() -> None:
    (spikes,), (graded,) = (list(accuracy_lost(Loss(5.0, 1.0, 256), 1.0, is_graded=g)) for g in (False, True))
    assert "--timesteps" in str(spikes.hint)
    assert "--timesteps" not in str(graded.hint)
    assert "--levels" in str(graded.hint)
