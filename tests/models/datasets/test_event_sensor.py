"""The sensor of events in front of digits: what it sends, that it sends the same everywhere, and what files hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from spikec.models.datasets.event_sensor import (
    CONTRAST,
    DARK,
    PATH,
    SIZE,
    STEP_MICROSECONDS,
    STEPS,
    events_of,
    recorded,
)
from spikec.models.datasets.images import ImageSet
from spikec.models.datasets.library import EVENTS_OF_ONE, load_dataset
from spikec.models.datasets.sample_file import sample_file
from spikec.runtime.samples import load_samples


def dot() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    digit = np.zeros((1, 8, 8), np.uint8)
    digit[0, 3, 3] = 255
    return digit


def test_a_dot_that_moves_sends_on_ahead_and_off_behind() -> None:
    events, offsets = events_of(dot())
    assert offsets.tolist() == [0, len(events)]
    first = events[events["t"] <= STEP_MICROSECONDS * STEPS // 2]
    assert PATH[1] == (16, 16)
    on, off = first[first["p"] == 1], first[first["p"] == 0]
    assert on["x"].mean() > off["x"].mean()
    assert on["y"].mean() > off["y"].mean()
    assert set(np.unique(events["t"] % STEP_MICROSECONDS)) == {0}
    assert events["t"].max() <= STEP_MICROSECONDS * STEPS * 3


def test_each_event_is_a_contrast() -> None:
    """Where the dot comes to lie for a while, its pixel sent log(255 + DARK) - log(DARK) in steps of CONTRAST."""
    events, _ = events_of(dot())
    rise = int(np.log((255 + DARK) / DARK) / CONTRAST)
    first = events[(events["t"] <= STEP_MICROSECONDS * STEPS) & (events["p"] == 1)]
    per_pixel = np.bincount(first["y"].astype(int) * SIZE + first["x"])
    assert per_pixel.max() == rise


def test_the_same_events_everywhere() -> None:
    data = load_dataset("digits-events")
    assert data.shape == (2, SIZE, SIZE)
    assert (len(data.train), len(data.test)) == (1437, 360)
    recordings = data.test.recordings
    assert recordings is not None
    content = b"".join(array.tobytes() for array in recordings.part(slice(20)).arrays().values())
    assert hashlib.sha256(content).hexdigest()[:16] == "cfa8bb9d0b3d2660"
    assert int(np.asarray(data.train.images[:]).max()) <= 255 * 10 // EVENTS_OF_ONE


def test_a_file_of_events_is_what_the_network_was_trained_on(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    digits = random.integers(0, 256, (5, 8, 8)).astype(np.uint8)
    recordings = recorded(digits, EVENTS_OF_ONE)
    counts = recordings.frames(1)[:, 0] * EVENTS_OF_ONE
    images = (counts * (255 // EVENTS_OF_ONE)).astype(np.uint8)
    drawn = ImageSet(images, np.arange(5), recordings=recordings).take(np.array([4, 1, 2]))
    (tmp_path / "test.npz").write_bytes(sample_file(drawn))
    samples = load_samples(tmp_path / "test.npz", (2, SIZE, SIZE))
    assert samples.labels is not None
    assert samples.labels.tolist() == [4, 1, 2]
    np.testing.assert_array_equal(samples.as_float(), images[[4, 1, 2]].astype(np.float32) / np.float32(255))
    timed = samples.in_windows(5)
    assert timed.inputs.shape == (3, 5, 2, SIZE, SIZE)
    np.testing.assert_allclose(timed.as_float(), samples.as_float(), rtol=1e-6)


@pytest.mark.parametrize("timesteps", [1, 8])
def test_frames_differ_over_time(timesteps: int) -> None:
    frames = recorded(dot(), EVENTS_OF_ONE).frames(timesteps)
    assert (frames != frames[:, :1]).any() == (timesteps > 1)
