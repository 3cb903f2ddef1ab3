"""Frames and events on the command line: run, verify, profile, compile and evaluate take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Json = Callable[..., dict[str, Any]]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``frames.npz``, 8 frames each of 4 recordings, and ``events.npz`` with 40 recordings."""
    folder = tmp_path_factory.mktemp("in-time")
    random = np.random.default_rng(3)
    frames = random.integers(0, 256, (4, 8, 1, 8, 8)).astype(np.uint8)
    np.savez(folder / "frames.npz", inputs=frames, labels=np.arange(4) % 3)
    events = np.zeros(40 * 60, np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)]))
    for name, size in (("x", 8), ("y", 8), ("t", 900), ("p", 2)):
        events[name] = random.integers(0, size, len(events))
    np.savez(folder / "events.npz", events=events, offsets=np.arange(41) * 60, labels=np.arange(40) % 3)
    return folder


def test_windows_of_a_recording_run_one_after_the_other(bench: Path, data: Path, json_of: Json) -> None:
    found = json_of("run", bench / "artefact", "--data", data / "frames.npz", "--json")
    assert found["samples"] == len(found["predictions"]) == 8
    assert found["accuracy"] is not None
    agreement = json_of(
        *("verify", bench / "artefact", "--data", data / "frames.npz", "--limit", 1),
        *("--backends", "reference,simulator", "--json"),
    )
    assert agreement["equal"]
    assert agreement["samples"] == 1
    assert json_of("profile", bench / "artefact", "--data", data / "events.npz", "--limit", 2, "--json")["samples"] == 2


def test_what_frames_cannot_do_is_refused(
    bench: Path, data: Path, tmp_path: Path, refused: Callable[..., list[str]], saved: Callable[..., bytes], cli: Cli
) -> None:
    (tmp_path / "three.npz").write_bytes(saved(inputs=np.zeros((2, 3, 1, 8, 8), np.uint8), labels=np.zeros(2, int)))
    assert "E027" in refused("run", bench / "artefact", "--data", tmp_path / "three.npz")[0]
    assert "E027" in refused("evaluate", bench / "net.onnx", "--data", tmp_path / "three.npz", "--methods", "exact")[0]
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "exact", "--schedule", "exact")[0] == 0
    (line,) = refused("run", tmp_path / "exact", "--data", data / "frames.npz")
    assert "E028" in line
    assert "--input frames" in line
    compiled = cli("compile", bench / "net.onnx", "-o", tmp_path / "timed", "--schedule", "exact", "--input", "frames")
    assert compiled[0] == 0
    assert cli("run", tmp_path / "timed", "--data", data / "frames.npz")[0] == 0


def test_events_are_counted_for_every_window(bench: Path, data: Path, json_of: Json) -> None:
    """The ANN sees the same mean whatever T; at T = 1 the one frame is that mean. At T = 2 frames cost exact a gate."""
    common = ("evaluate", bench / "net.onnx", "--data", data / "events.npz", "--calibration", data / "events.npz")
    both = (*common, "--timesteps", "1,2", "--methods", "exact,lmpc", "--json")
    frames, constant = json_of(*both), json_of(*both, "--input", "constant")
    assert frames["ann_accuracy"] == constant["ann_accuracy"]
    latencies = [[row["steps_per_sample"] for row in each["rows"]] for each in (frames, constant)]
    assert latencies == [[1, 4, 1, 2], [1, 2, 1, 2]]
    by_kind = [{(r["method"], r["timesteps"]): r["accuracy"] for r in each["rows"]} for each in (frames, constant)]
    assert by_kind[0]["lmpc", 1] == by_kind[1]["lmpc", 1]


def test_methods_that_measure_first_are_left_out_for_frames(bench: Path, data: Path, cli: Cli) -> None:
    common = ("evaluate", bench / "net.onnx", "--data", data / "events.npz", "--timesteps", 2)
    code, _, err = cli(*common, "--methods", "srp")
    assert code == 2
    assert "E637" in err
    assert "--input constant" in err
    assert cli(*common, "--methods", "srp", "--input", "constant")[0] == 0
