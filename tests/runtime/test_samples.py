"""Data files: what is kept, what is refused, and that damage never ends in a traceback."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.runtime.samples import Samples, load_samples
from spikec.targets.diagnostic import UnusableInput

SHAPE = (1, 2, 3)


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load(tmp_path: Path, classes: int | None = 4, **arrays: Any) -> Samples:
    (tmp_path / "data.npz").write_bytes(archive(**arrays))
    return load_samples(tmp_path / "data.npz", SHAPE, classes=classes)


def test_bytes_stay_bytes_and_floats_become_single(tmp_path: Path) -> None:
    whole = np.arange(12, dtype=np.uint8).reshape(2, *SHAPE)
    kept = load(tmp_path, inputs=whole, labels=np.array([3, 0], np.uint8))
    assert kept.inputs.dtype == np.uint8
    assert kept.labels is not None
    assert kept.labels.dtype == np.int64
    np.testing.assert_array_equal(kept.as_float(), whole.astype(np.float32) / np.float32(255))
    for kind in (np.float16, np.float32, np.float64):
        floats = load(tmp_path, inputs=(whole / 16).astype(kind))
        assert floats.inputs.dtype == np.float32
        assert floats.labels is None
        np.testing.assert_array_equal(floats.as_float(), whole / 16)


def test_cutting_keeps_labels_with_inputs() -> None:
    samples = Samples(np.arange(10)[:, None], np.arange(10))
    for cut, expected in (
        (samples.first(None), range(10)),
        (samples.first(3), range(3)),
        (samples.first(99), range(10)),
        (samples.between(4, 7), range(4, 7)),
    ):
        assert cut.inputs.ravel().tolist() == list(expected)
        assert cut.labels is not None
        assert cut.labels.tolist() == list(expected)
        assert len(cut) == len(expected)


def test_evenly_spaced_samples_of_a_sorted_file_have_every_class() -> None:
    labels = np.repeat(np.arange(10), 7)
    samples = Samples(labels[:, None].astype(np.float32), labels)
    chosen = samples.evenly(20)
    assert chosen.labels is not None
    np.testing.assert_array_equal(np.bincount(chosen.labels), np.full(10, 2))
    np.testing.assert_array_equal(chosen.inputs[:, 0], chosen.labels)
    assert Samples(samples.inputs, None).evenly(1).labels is None
    assert [len(samples.evenly(n)) for n in (None, 70, 71, 69, 1)] == [70, 70, 70, 69, 1]


def test_accuracy() -> None:
    samples = Samples(np.zeros((4, 1)), np.array([0, 1, 2, 2]))
    assert samples.accuracy(np.array([0, 1, 1, 2])) == 0.75
    assert samples.accuracy(np.array([1, 1])) == 0.5
    assert Samples(np.zeros((4, 1)), None).accuracy(np.zeros(4, np.int64)) is None


def test_other_arrays_are_left_alone(tmp_path: Path) -> None:
    kept = load(tmp_path, inputs=np.zeros((2, *SHAPE), np.uint8), names=np.array(["a", None], dtype=object))
    assert len(kept) == 2


def test_labels_without_a_known_number_of_classes(tmp_path: Path) -> None:
    inputs = np.zeros((1, *SHAPE), np.uint8)
    assert load(tmp_path, None, inputs=inputs, labels=np.array([999])).labels is not None
    with pytest.raises(UnusableInput, match=r"E604 'labels' go from -1 to -1, the classes are 0 and up"):
        load(tmp_path, None, inputs=inputs, labels=np.array([-1]))


@pytest.mark.parametrize(
    ("wrong", "count"), [([np.nan], 1), ([np.inf, -np.inf], 2), ([1e300, 0.5, -1e39], 2), ([3.5e38], 1)]
)
def test_values_that_no_single_float_holds_are_counted(tmp_path: Path, wrong: list[float], count: int) -> None:
    inputs = np.zeros((1, *SHAPE))
    inputs.flat[: len(wrong)] = wrong
    with pytest.raises(UnusableInput, match=f"E603 'inputs' has {count} values that are NaN, infinite or beyond"):
        load(tmp_path, inputs=inputs)


def test_missing_inputs_name_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="E602 there is no array 'inputs', only x, y"):
        load(tmp_path, y=np.zeros(1), x=np.zeros(1))
    with pytest.raises(UnusableInput, match="E602 there is no array 'inputs', only nothing"):
        load(tmp_path)


WHOLE = archive(inputs=np.arange(24, dtype=np.uint8).reshape(4, *SHAPE), labels=np.arange(4))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[: data.draw(st.integers(0, len(WHOLE)))])
    for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "data.npz").write_bytes(bytes(damaged))
    found = set()
    try:
        load_samples(tmp_path / "data.npz", SHAPE, classes=4)
    except UnusableInput as refusal:
        found = {d.code for d in refusal.diagnostics}
    assert found <= {"E601", "E602", "E603", "E604"}
