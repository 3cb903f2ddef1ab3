"""Rounding a population's weights: which threshold is taken, and that a trained grid is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikec.compiler.arithmetic import mean_and_covariance
from spikec.compiler.passes.drives import Drive
from spikec.compiler.passes.equal_columns import equal_columns
from spikec.compiler.passes.fan_in_moments import Block
from spikec.compiler.passes.rounding import candidate_thresholds, has_equal_columns, round_against

_CHANNELS, _FAN_IN, _LARGEST = 5, 40, 127


def _block(random: np.random.Generator) -> Block:
    factor = random.normal(size=(_FAN_IN, _FAN_IN))
    covariance = factor @ factor.T / _FAN_IN
    return Block(slice(0, _CHANNELS), ((0, 0, _FAN_IN),), random.uniform(size=_FAN_IN), covariance)


def _drive(weight: Any) -> Drive:
    projection: Any = None
    return Drive(projection, weight[:, None, :], np.ones((1, 1, _FAN_IN)), 0, 1, (0, 4))


def test_weights_on_a_grid_of_their_own_stay_on_it() -> None:
    """Trained with 8 bits: whole steps up to 127, at a threshold that is not whole. Only the threshold is rounded."""
    random = np.random.default_rng(3)
    steps = random.integers(-_LARGEST, _LARGEST + 1, size=(_CHANNELS, _FAN_IN)).astype(float)
    steps[:, 0] = _LARGEST
    own = random.uniform(150, 400, size=_CHANNELS)
    drive, block = _drive(steps / own[:, None]), _block(random)
    candidates = candidate_thresholds([drive], own)
    kept = round_against([block], [drive], (0,), (candidates, own), (1, _LARGEST))
    np.testing.assert_array_equal(kept.threshold, np.rint(own))
    np.testing.assert_allclose(kept.drives[0].weight[:, 0] * kept.threshold[:, None], steps, rtol=0, atol=1e-9)
    without = round_against([block], [drive], (0,), (candidates, None), (1, _LARGEST))
    # Feedback alone finds the grid again where the nearest whole threshold lies below.
    assert (kept.square_error <= without.square_error).all()
    assert (kept.square_error < without.square_error).any()


def test_other_weights_take_the_threshold_with_the_least_error() -> None:
    random = np.random.default_rng(4)
    weight = random.normal(size=(_CHANNELS, _FAN_IN))
    own = _LARGEST / np.abs(weight).max(axis=1)
    drive, block = _drive(weight), _block(random)
    candidates = candidate_thresholds([drive], own)
    found = round_against([block], [drive], (0,), (candidates, own), (1, _LARGEST))
    each = [round_against([block], [drive], (0,), (c[None], None), (1, _LARGEST)).square_error for c in candidates]
    np.testing.assert_allclose(found.square_error, np.min(each, axis=0), rtol=1e-9)
    counts = found.drives[0].weight[:, 0] * found.threshold[:, None]
    np.testing.assert_allclose(counts, np.rint(counts), rtol=0, atol=1e-9)
    assert np.abs(counts).max() <= _LARGEST + 1e-9


def test_equal_columns_stay_equal_and_are_rounded_as_one() -> None:
    """Four columns of one weight are that weight on the sum of their messages."""
    random = np.random.default_rng(5)
    groups = random.permutation(np.repeat(np.arange(_FAN_IN // 4), 4))
    weight = random.normal(size=(_CHANNELS, _FAN_IN // 4))[:, groups]
    own = 40 / np.abs(weight).max(axis=1)
    drive, block = _drive(weight), _block(random)
    thresholds = np.maximum(np.floor(own), 2.0)[None], None
    kept = round_against([block], [drive], (0,), thresholds, (1, _LARGEST), keep_equal=True)
    free = round_against([block], [drive], (0,), thresholds, (1, _LARGEST))
    rounded = kept.drives[0].weight[:, 0]
    assert all((rounded[:, groups == g] == rounded[:, groups == g][:, :1]).all() for g in range(_FAN_IN // 4))
    assert not all(
        (free.drives[0].weight[:, 0][:, groups == 0] == free.drives[0].weight[:, 0, groups == 0][:, :1]).all(axis=1)
    )
    of_sums = np.array(
        [[block.covariance[np.ix_(groups == a, groups == b)].sum() for b in range(10)] for a in range(10)]
    )
    equal = equal_columns(weight.T)
    np.testing.assert_allclose(
        equal.covariance(block.covariance), of_sums[np.ix_(groups[equal.first], groups[equal.first])]
    )
    assert (free.square_error <= kept.square_error).all()


@pytest.mark.parametrize("seed", range(20))
def test_equal_columns_whose_messages_take_turns_are_rounded_to_nearest(seed: int) -> None:
    """What a neuron receives through them is constant, and no error has anything to cancel."""
    random = np.random.default_rng(seed)
    half = random.random((50, _FAN_IN // 2)).astype(np.float32)
    average, covariance = mean_and_covariance(np.concatenate([half, 1 - half], axis=1))
    block = Block(slice(0, _CHANNELS), ((0, 0, _FAN_IN),), average, covariance)
    groups = np.tile(random.integers(0, 3, _FAN_IN // 2), 2)
    weight = random.normal(size=(_CHANNELS, 3))[:, groups]
    thresholds = np.floor(_LARGEST / np.abs(weight).max(axis=1))[None], None
    kept = round_against([block], [_drive(weight)], (0,), thresholds, (1, _LARGEST), keep_equal=True)
    steps = kept.drives[0].weight[:, 0] * kept.threshold[:, None]
    np.testing.assert_allclose(steps, np.rint(weight * kept.threshold[:, None]), rtol=0, atol=1e-9)


def test_equal_columns_of_unlike_exponents_are_each_on_their_own_grid() -> None:
    """A comparison of two maxima has weights of one threshold from both, whatever else its projections carry."""
    random = np.random.default_rng(7)
    weight = random.normal(size=(_CHANNELS, _FAN_IN // 2))
    covariance = np.zeros((_FAN_IN, _FAN_IN))
    pieces = ((0, 0, _FAN_IN // 2), (1, 0, _FAN_IN // 2))
    block = Block(slice(0, _CHANNELS), pieces, np.zeros(_FAN_IN), covariance)
    drives, exponents = [_drive(weight), _drive(weight)], (0, 3)
    thresholds = np.floor(_LARGEST / np.abs(weight).max(axis=1))[None], None
    kept = round_against([block], drives, exponents, thresholds, (1, _LARGEST), keep_equal=True)
    for drive, exponent in zip(kept.drives, exponents, strict=True):
        steps = drive.weight[:, 0] * kept.threshold[:, None] / (1 << exponent)
        np.testing.assert_allclose(steps, np.rint(steps), rtol=0, atol=1e-9)


def test_which_fan_ins_have_equal_columns() -> None:
    random = np.random.default_rng(6)
    weight = random.normal(size=(_CHANNELS, _FAN_IN))
    assert not has_equal_columns([_drive(weight)])
    zeros = weight.copy()
    zeros[:, :10] = 0
    assert not has_equal_columns([_drive(zeros)])
    equal = zeros.copy()
    equal[:, 20] = equal[:, 30]
    assert has_equal_columns([_drive(weight), _drive(equal)])
