"""Direct encoding: rounding, clipping and the order of axes, against the definition in plain numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.runtime.encoding import encode
from spikec.runtime.program import InputEncoding


def flat(step: float, minimum: int, maximum: int, neurons: int = 256) -> InputEncoding:
    return InputEncoding((neurons,), (0,), (neurons,), step, minimum, maximum)


def test_bytes_in_steps_of_one_byte_are_themselves() -> None:
    every = np.arange(256, dtype=np.uint8)[None]
    encoded, remarks = encode(flat(1 / 255, 0, 255), every)
    np.testing.assert_array_equal(encoded, every)
    assert encoded.dtype == np.int64
    assert remarks == ()


@given(
    step=st.floats(1e-3, 1.0),
    values=st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=8),
    low=st.integers(-300, 0),
    high=st.integers(1, 300),
)
def test_floats_are_rounded_to_even_and_clipped(step: float, values: list[float], low: int, high: int) -> None:
    encoded, remarks = encode(flat(step, low, high, len(values)), np.array([values], dtype=np.float32))
    nearest = [round(value / step) for value in values]
    assert encoded[0].tolist() == [min(max(n, low), high) for n in nearest]
    outside = sum(not low <= n <= high for n in nearest)
    assert [r.measured for r in remarks] == ([outside] if outside else [])


@given(st.floats(1e-3, 0.1))
def test_bytes_and_their_floats_are_the_same(step: float) -> None:
    every = np.arange(256, dtype=np.uint8)[None]
    encoding = flat(step, 0, 10_000)
    np.testing.assert_array_equal(encode(encoding, every)[0], encode(encoding, every / 255.0)[0])


@pytest.mark.parametrize("count", [1, 3])
def test_axes_are_permuted_before_reshaping(count: int) -> None:
    images = np.arange(count * 24, dtype=np.uint8).reshape(count, 4, 3, 2)
    encoding = InputEncoding((4, 3, 2), (2, 0, 1), (2, 12), 1 / 255, 0, 255)
    encoded, _ = encode(encoding, images)
    np.testing.assert_array_equal(encoded, np.moveaxis(images, 3, 1).reshape(count, 2, 12))


def test_decoding_undoes_encoding_on_the_grid() -> None:
    encoding = flat(0.25, -8, 8, 17)
    values = np.arange(-8, 9)[None] * 0.25
    encoded, _ = encode(encoding, values)
    np.testing.assert_array_equal(encoded * encoding.step, values)


@given(
    samples=st.lists(st.integers(-(1 << 31), 1 << 31), min_size=1, max_size=9),
    timesteps=st.integers(1, 40),
)
def test_spread_integers_add_up_to_themselves_evenly(samples: list[int], timesteps: int) -> None:
    low, high = min(0, *samples), max(1, *samples)
    encoding = replace(flat(1.0, low, high, len(samples)), spread=True)
    sent = np.stack([encoding.messages(np.array(samples), step, timesteps) for step in range(timesteps)])
    assert sent.sum(axis=0).tolist() == samples
    for place, sample in enumerate(samples):
        assert set(sent[:, place].tolist()) <= {sample // timesteps, -(-sample // timesteps)}
    least, most = encoding.message_range(timesteps)
    assert least <= sent.min() <= sent.max() <= most
    assert encoding.window_range(timesteps) == (low, high)


def test_an_integer_that_is_not_spread_comes_at_every_step() -> None:
    encoding, samples = flat(1.0, -3, 9, 2), np.array([-3, 7])
    assert [encoding.messages(samples, step, 4).tolist() for step in range(4)] == [[-3, 7]] * 4
    assert (encoding.message_range(4), encoding.window_range(4)) == ((-3, 9), (-12, 36))


def test_clipping_is_remarked() -> None:
    (remark,) = encode(flat(0.5, 0, 2, 4), np.array([[-1.0, 0.0, 1.0, 9.0]], np.float32))[1]
    assert remark.code == "W620"
    assert remark.message == "2 of 4 input values are outside 0..1 and were clipped"
    assert (remark.measured, remark.limit, remark.unit) == (2, 0, "values")
