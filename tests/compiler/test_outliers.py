"""Outliers in calibration data are clipped where that loses less than the range that they take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec.compiler.outliers import without_outliers
from spikec.runtime.samples import Samples


def images(count: int = 60) -> Samples:
    return Samples(np.random.default_rng(0).random((count, 1, 8, 8)).astype(np.float32), None)


def with_pixel(samples: Samples, value: float) -> Samples:
    inputs = samples.inputs.copy()
    inputs[7, 0, 2, 5] = value
    return replace(samples, inputs=inputs)


@pytest.mark.parametrize("value", [10.0, 30.0, 100.0, 1000.0, -1000.0, 1e30])
def test_one_pixel_does_not_set_the_range(value: float) -> None:
    clipped, (remark,) = without_outliers(with_pixel(images(), value))
    assert np.abs(clipped.inputs).max() <= 1
    assert remark.code == "W214"
    assert remark.measured == pytest.approx(abs(value))
    assert remark.message.startswith("1 of 60 calibration samples")
    assert remark.message.endswith("The largest is at (0, 2, 5) of sample 7")
    others = np.delete(clipped.inputs, 7, axis=0)
    np.testing.assert_allclose(others, np.delete(images().inputs, 7, axis=0), atol=0.02)


@pytest.mark.parametrize(
    "samples",
    [
        images(),
        Samples(np.random.default_rng(1).normal(size=(50, 30)).astype(np.float32), None),
        Samples(np.random.default_rng(1).exponential(size=(50, 30)).astype(np.float32), None),
        Samples(np.random.default_rng(1).integers(0, 256, (9, 5)).astype(np.uint8), None),
        Samples(np.zeros((3, 4), np.float32), None),
        Samples(np.ones((1, 1), np.float32), None),
    ],
)
def test_ordinary_data_stay_as_they_are(samples: Samples) -> None:
    clipped, remarks = without_outliers(samples)
    assert clipped is samples
    assert remarks == ()


def test_values_that_every_sample_has_are_no_outliers() -> None:
    inputs = images().inputs.copy()
    inputs[:, 0, 0, 0] = 20 * np.random.default_rng(3).random(len(inputs))
    samples = Samples(inputs, None)
    assert without_outliers(samples)[0] is samples


def test_integers_stay_integers() -> None:
    inputs = np.random.default_rng(0).integers(0, 2000, (50, 30)).astype(np.uint16)
    inputs[3, 4] = 65535
    clipped, (remark,) = without_outliers(Samples(inputs, None, (0, 65535)))
    assert clipped.inputs.dtype == np.uint16
    assert clipped.inputs.max() < 2000
    assert remark.measured == 65535
