"""The schedules on the command line, from a trained model to what is printed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.models.shipped import shipped_model, shipped_samples
from spikec.runtime.program import Program
from spikec.runtime.simulator import tensors
from spikec.runtime.simulator.tensors import TensorSimulator

Cli = Callable[..., tuple[int, str, str]]
JsonOf = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``test.npz`` (24 images) and ``calibration.npz`` (32)."""
    folder = tmp_path_factory.mktemp("images")
    with np.load(shipped_samples()) as arrays:
        for name, part, count in (("test", "test", 24), ("calibration", "calibration", 32)):
            inputs, labels = arrays[f"{part}_inputs"][:count], arrays[f"{part}_labels"][:count]
            np.savez(folder / f"{name}.npz", inputs=inputs, labels=labels)
    return folder


@pytest.mark.parametrize(
    ("arguments", "window", "latency", "gated"),
    [
        (("--schedule", "pipelined"), 2, 9, 0),
        (("--schedule", "exact"), 4, 19, 5),
        (("--schedule", "mixed", "--exact-layers", "10_Conv, 18_Gemm"), 4, 13, 2),
    ],
)
def test_report_says_latency_and_throughput(
    json_of: JsonOf, cli: Cli, tmp_path: Path, arguments: tuple[str, ...], window: int, latency: int, gated: int
) -> None:
    json_of("compile", shipped_model(), "-o", tmp_path / "out", "--timesteps", 2, *arguments, "--json")
    report = json.loads(cli("report", tmp_path / "out", "--format", "json")[1])["program"]
    assert report["window"] == window
    assert report["latency"] == latency
    assert report["pipelined_latency"] == 9
    assert report["gated_layers"] == gated
    text = " ".join(cli("report", tmp_path / "out", "--format", "text")[1].split())
    assert f"{latency} steps, from the first input to the result, a sample every {window} steps" in text
    assert ("(pipelined: 9, a sample every 2)" in text) == (gated > 0)


def test_exact_artefact_runs_and_verifies(json_of: JsonOf, images: Path, tmp_path: Path) -> None:
    json_of("compile", shipped_model(), "-o", tmp_path / "out", "--timesteps", 2, "--schedule", "exact", "--json")
    data = ("--data", images / "test.npz")
    result = json_of("run", tmp_path / "out", *data, "--limit", 5, "--batch", 2, "--threads", 1, "--json")
    assert result["steps"] == 4 * 4 + 19
    agreed = json_of("verify", tmp_path / "out", *data, "--limit", 1, "--backends", "reference,simulator", "--json")
    assert agreed["equal"]


def test_settings_of_the_simulator_apply_to_nothing_else(
    refused: Callable[..., list[str]], images: Path, tmp_path: Path
) -> None:
    for setting in (("--batch", 2), ("--threads", 1), ("--device", "cpu"), ("--way", "dense")):
        (line,) = refused("run", tmp_path, "--data", images / "test.npz", "--backend", "reference", *setting)
        assert "E630" in line
        assert setting[0] in line


def test_the_device_is_asked_for(
    json_of: JsonOf, images: Path, tmp_path: Path, refused: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    json_of("compile", shipped_model(), "-o", tmp_path / "out", "--json")
    call = ("run", tmp_path / "out", "--data", images / "test.npz", "--limit", 2, "--json", "--device")
    monkeypatch.setattr(tensors, "has_gpu", lambda: False)
    (line,) = refused(*call, "cuda")
    assert "E511" in line
    assert "finds no GPU" in line
    asked = list[str]()
    # torch's processor in place of the GPU, which no test machine has
    monkeypatch.setattr(tensors, "has_gpu", lambda: True)

    def on_processor(program: Program, device: str) -> TensorSimulator:
        asked.append(device)
        return TensorSimulator(program, "cpu")

    monkeypatch.setattr(tensors, "TensorSimulator", on_processor)
    on_device = json_of(*call, "cuda")
    assert asked == ["cuda"]
    assert on_device["predictions"] == json_of(*call, "cpu")["predictions"]


def test_tradeoff_goes_from_no_gate_to_all(
    json_of: JsonOf, images: Path, tmp_path: Path, refused: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ("tradeoff", shipped_model(), "--data", images / "test.npz", "--calibration", images / "calibration.npz")
    plot = tmp_path / "tradeoff.svg"
    result = json_of(*call, "--timesteps", 2, "--points", 3, "-o", plot, "--json")
    points = result["points"]
    assert [len(p["gated"]) for p in points] == sorted(len(p["gated"]) for p in points)
    assert (points[0]["gated"], points[0]["latency"], points[0]["window"]) == ([], 9, 2)
    assert points[-1]["latency"] == 9 + 2 * len(points[-1]["gated"])
    assert result["misfires"]["0_Conv"] == {"over": 0.0, "under": 0.0}
    assert result["misfires"]["10_Conv"]["over"] > 0
    assert plot.read_text(encoding="utf-8").count("gates") == 3


@pytest.mark.parametrize("command", [("evaluate", "--plot"), ("tradeoff", "-o")])
def test_a_plot_that_cannot_be_drawn_is_refused_before_anything_is_measured(
    command: tuple[str, str],
    images: Path,
    tmp_path: Path,
    refused: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, option = command

    def measured(*_: object, **__: object) -> None:
        raise AssertionError("measured for a plot that cannot be drawn")

    for measure in ("evaluate_given.evaluate_models", "tradeoff.measure_tradeoff"):
        monkeypatch.setattr(f"spikec.compiler.evaluation.{measure}", measured)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data = ("--data", images / "test.npz", "--calibration", images / "calibration.npz")
    (line,) = refused(name, shipped_model(), *data, option, tmp_path / "plot.svg")
    assert "E636" in line
    assert list(tmp_path.iterdir()) == []
