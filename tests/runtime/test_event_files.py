"""Files of events: how they are counted into frames, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.recordings import EventRecordings
from spikec.runtime.samples import load_samples
from spikec.targets.diagnostic import UnusableInput

SHAPE = (2, 3, 4)
FIELDS = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])
Events = np.ndarray[Any, np.dtype[Any]]


def events(*rows: tuple[int, int, int, int]) -> Events:
    """Rows of (x, y, t, p)."""
    return np.array(list(rows), dtype=FIELDS)


def drawn(seed: int, count: int, start: int = 0, length: int = 1000) -> Events:
    random = np.random.default_rng(seed)
    found = np.zeros(count, FIELDS)
    for name, size in (("x", 4), ("y", 3), ("t", length), ("p", 2)):
        found[name] = random.integers(0, size, count)
    found["t"] += start
    return found


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """``file(events=..., offsets=...)``: an archive of these arrays."""

    def save(**arrays: Any) -> Path:
        np.savez(tmp_path / "events.npz", **arrays)
        return tmp_path / "events.npz"

    return save


def test_an_event_counts_at_its_place_and_time(file: Callable[..., Path]) -> None:
    first = events((3, 0, 100, 1), (3, 0, 101, 1), (1, 2, 103, 0), (0, 0, 107, -1))
    samples = load_samples(file(events_0=first, events_1=events((2, 1, 9, 1)), labels=np.array([4, 2])), SHAPE)
    frames = samples.in_windows(4).inputs
    assert frames.shape == (2, 4, *SHAPE)
    # From 100 to 107 are 8 ticks, 2 for each frame; an event counts T.
    expected = np.zeros((2, 4, *SHAPE))
    expected[0, 0, 1, 0, 3] = 8
    expected[0, 1, 0, 2, 1] = 4
    expected[0, 3, 0, 0, 0] = 4
    expected[1, 0, 1, 1, 2] = 4
    np.testing.assert_array_equal(frames, expected)
    assert samples.labels is not None
    assert samples.labels.tolist() == [4, 2]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 17))
def test_the_mean_over_the_window_is_the_number_of_events(seed: int, timesteps: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 30, 3)
    place, offsets = random.integers(0, 24, sizes.sum()), np.cumsum([0, *sizes])
    length = random.integers(1, 1 << 40, 3)
    time = np.concatenate([random.integers(0, each, size) for each, size in zip(length, sizes, strict=True)])
    recordings = EventRecordings(SHAPE, place, time, length, offsets)
    frames = recordings.frames(timesteps)
    counts = np.stack([np.bincount(place[a:b], minlength=24).reshape(SHAPE) for a, b in pairwise(offsets)])
    np.testing.assert_array_equal(frames.mean(axis=1), counts)
    np.testing.assert_array_equal(recordings.part(np.array([2, 0])).frames(timesteps), frames[[2, 0]])


def test_both_ways_to_write_recordings_are_the_same(file: Callable[..., Path], tmp_path: Path) -> None:
    parts = [drawn(seed, count, start=seed) for seed, count in ((1, 20), (2, 0), (3, 50))]
    apart = load_samples(file(**{f"events_{k}": part for k, part in enumerate(parts)}), SHAPE).in_windows(5)
    joined = np.concatenate(parts)
    together = load_samples(file(events=joined, offsets=np.array([0, 20, 20, 70])), SHAPE)
    np.testing.assert_array_equal(apart.inputs, together.in_windows(5).inputs)
    assert not apart.inputs[1].any()
    np.save(tmp_path / "one.npy", parts[2])
    one = load_samples(tmp_path / "one.npy", SHAPE)
    np.testing.assert_array_equal(one.in_windows(5).inputs[0], apart.inputs[2])
    np.testing.assert_array_equal(together.as_float(), together.in_windows(7).as_float())
    np.testing.assert_array_equal(together.evenly(2).in_windows(5).inputs, apart.inputs[[0, 1]])


def test_one_channel_takes_both_polarities_and_a_row_takes_x(file: Callable[..., Path]) -> None:
    given = drawn(0, 40)
    both = load_samples(file(events_0=given), SHAPE).in_windows(3).inputs
    single = load_samples(file(events_0=given), (1, 3, 4)).in_windows(3).inputs
    np.testing.assert_array_equal(single[:, :, 0], both.sum(axis=2))
    row = load_samples(file(events_0=given[["x", "t"]]), (4,)).in_windows(3).inputs
    np.testing.assert_array_equal(row, single[:, :, 0].sum(axis=2))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"events_0": drawn(0, 5)[["x", "t"]]}, "no field y, p"),
        ({"events_0": drawn(0, 5).astype([(n, float) for n in "xytp"])}, "field x of the events has type float64"),
        ({"events_0": events((4, 0, 0, 0))}, "x goes from 4 to 4"),
        ({"events_0": events((0, -1, 0, 0))}, "y goes from -1 to -1"),
        ({"events_0": events((0, 0, 0, 0), (0, 0, 1 << 60, 0))}, "span more time"),
        ({"events": drawn(0, 5)}, "without 'offsets'"),
        ({"events": drawn(0, 5), "offsets": np.array([0, 3])}, "do not rise from 0 to 5"),
        ({"events": drawn(0, 5), "offsets": np.array([0, 4, 2, 5])}, "do not rise"),
        ({"events": drawn(0, 5), "offsets": np.array([0.0, 5.0])}, "type float64 do not fit"),
        ({"events_0": drawn(0, 5), "events_2": drawn(0, 5)}, "no array 'events_1'"),
        ({"events_0": drawn(0, 5), "events_1": drawn(0, 5)[:, None]}, "not rows of events"),
        ({"events_0": np.zeros((2, 3))}, "not rows of events"),
        ({"events_0": np.zeros(2)}, "no field x, y, t, p"),
    ],
)
def test_unsound_events_are_refused(file: Callable[..., Path], arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(UnusableInput) as caught:
        load_samples(file(**arrays), SHAPE)
    (problem,) = caught.value.diagnostics
    assert problem.code == "E029"
    assert words in problem.message
    assert problem.hint


def test_an_input_that_has_no_place_for_events_is_refused(file: Callable[..., Path]) -> None:
    for shape in ((3, 3, 4), (3, 4)):
        with pytest.raises(UnusableInput, match="E036"):
            load_samples(file(events_0=drawn(0, 5)), shape)


def test_labels_belong_to_recordings(file: Callable[..., Path]) -> None:
    with pytest.raises(UnusableInput, match="E604"):
        load_samples(file(events_0=drawn(0, 5), labels=np.array([0, 1])), SHAPE)
    with pytest.raises(UnusableInput, match="E029"):
        load_samples(file(events=drawn(0, 0), offsets=np.array([0])), SHAPE)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_damaged_files_are_refused_whatever_they_might_have_been(tmp_path: Path, suffix: str) -> None:
    """A file is looked at for events before it is read as one of inputs."""
    path = tmp_path / f"data{suffix}"
    if suffix == ".npz":
        np.savez(path, inputs=np.zeros((2, 2, 3, 4), np.float32))
    else:
        np.save(path, np.zeros((2, 2, 3, 4), np.float32))
    sound = path.read_bytes()
    codes = set()
    for place in range(len(sound)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
        try:
            load_samples(path, (2, 3, 4))
        except UnusableInput as refusal:
            codes |= {d.code for d in refusal.diagnostics}
    assert codes
    assert not {code for code in codes if code.startswith("E9")}
