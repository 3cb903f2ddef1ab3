from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner, Result

from spikec.__main__ import run
from spikec.models.calibration.layer_calibration import Gradient
from spikec.models.checkpoint import load_checkpoint
from spikec.models.commands.calibrate import GRADIENTS, calibrate_weights
from spikec.models.datasets.library import load_dataset
from spikec.models.training import training
from spikec.models.training.options import TrainingOptions
from spikec.targets.diagnostic import UnusableInput

FILES = {"model.pt", "model.onnx", "train.json", "test.npz", "calibration.npz"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small network trained on the digits, and its ReLU network in ``relu``."""
    folder = tmp_path_factory.mktemp("trained")
    for name, activation in ((".", "round"), ("relu", "relu")):
        options = TrainingOptions("convnet", activation, width=4, epochs_relu=3, epochs_qc=2, learning_rate_relu=0.05)  # type: ignore[arg-type]
        training.train(options, load_dataset("digits"), folder / name, device="cpu")
    return folder


def command(*arguments: object) -> Result:
    return CliRunner().invoke(calibrate_weights, [str(argument) for argument in arguments])


def refused(*arguments: object) -> list[str]:
    result = command(*arguments)
    assert isinstance(result.exception, UnusableInput), result
    assert all(problem.hint for problem in result.exception.diagnostics)
    return [f"{problem.code} {problem.message}" for problem in result.exception.diagnostics]


def test_what_it_says_compiles(trained: Path, tmp_path: Path) -> None:
    given = ("--timesteps", 2, "--epochs", 1, "--limit", 100, "-o", tmp_path / "out")
    told = command(trained / "model.pt", *given).output.splitlines()[-1]
    assert told == f"compile with --calibration FILE.npz --aim {trained / 'model.pt'}"
    options = told.removeprefix("compile with ").replace("FILE.npz", str(trained / "calibration.npz")).split()
    network = str(tmp_path / "out" / "model.onnx")
    assert run(["compile", network, "--timesteps", "2", *options, "-o", str(tmp_path / "artefact")]) == 0
    without = command(trained / "model.pt", *given[:-2], "--no-potentials", "-o", tmp_path / "plain")
    assert "--aim" not in without.output


def test_it_writes_what_train_writes(trained: Path, tmp_path: Path) -> None:
    given = ("--timesteps", 2, "--epochs", 4, "--limit", 300, "-o", tmp_path / "out", "--json")
    result = command(trained / "model.pt", *given)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    record = json.loads(result.stdout)
    assert record["kept"] is True
    assert (record["timesteps"], record["gradient"], record["potentials"]) == (2, "mended", True)
    assert record["divergences"][1] < record["divergences"][0]
    whole = json.loads((tmp_path / "out" / "train.json").read_text())
    assert whole == {**json.loads((trained / "train.json").read_text()), "weight_calibration": record}
    for name in ("test.npz", "calibration.npz"):
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes()
    checkpoint = load_checkpoint(tmp_path / "out" / "model.pt")
    assert checkpoint.training == whole
    inputs = np.load(trained / "test.npz")["inputs"][:50].astype(np.float32) / np.float32(255)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": inputs})
    with torch.no_grad():
        expected = checkpoint.build()(torch.from_numpy(inputs))
    # Values next to a level may fall to its other side, in few images and by one level.
    assert (np.abs(logits - expected.numpy()).max(1) < 1e-3).mean() > 0.9


def test_a_relu_network_with_images_of_its_own(trained: Path, tmp_path: Path) -> None:
    inputs = np.load(trained / "calibration.npz")["inputs"][:200]
    np.savez(tmp_path / "own.npz", inputs=inputs.astype(np.float32) / 255)
    given = ("--timesteps", 4, "--images", tmp_path / "own.npz", "--gradient", "straight-through", "--no-potentials")
    result = command(trained / "relu" / "model.pt", *given, "--epochs", 2, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "200 images, T = 4" in result.stdout
    assert "divergence from the ANN" in result.stdout
    checkpoint = load_checkpoint(tmp_path / "out" / "model.pt")
    assert (checkpoint.activation.kind, checkpoint.activation.levels) == ("round", 4)
    assert checkpoint.training["weight_calibration"]["potentials"] is False
    assert (tmp_path / "out" / "calibration.npz").read_bytes() == (tmp_path / "own.npz").read_bytes()


def test_the_result_compiles(trained: Path, tmp_path: Path) -> None:
    given = ("--timesteps", 1, "--epochs", 0, "--limit", 20, "-o", tmp_path / "out")
    assert command(trained / "model.pt", *given).exit_code == 0
    compiled = ["compile", tmp_path / "out" / "model.pt", "-o", tmp_path / "artefact", "--timesteps", 1]
    assert run([*map(str, compiled), "--calibration", str(tmp_path / "out" / "calibration.npz")]) == 0


def test_everything_that_is_refused(trained: Path, tmp_path: Path) -> None:
    model, given = trained / "model.pt", ("--timesteps", 2, "-o", tmp_path / "out")
    alone = tmp_path / "alone" / "model.pt"
    alone.parent.mkdir()
    alone.write_bytes(model.read_bytes())
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "foreign.pt").write_text("not a checkpoint")
    np.savez(tmp_path / "large.npz", inputs=np.zeros((9, 1, 9, 9), np.uint8))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "progress.pt").write_text("hours of work")
    relu = trained / "relu" / "model.pt"
    cases: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("E701 the checkpoint does not exist", (tmp_path / "none.pt", *given)),
        ("E701 there are no calibration images", (alone, *given)),
        ("E703 the file is not a checkpoint: it is no archive as torch writes them", (tmp_path / "foreign.pt", *given)),
        ("E713 weights are calibrated by training in torch", (trained / "model.onnx", *given)),
        ("E600 the data file does not exist", (model, *given, "--images", tmp_path / "none.npz")),
        ("E603 'inputs' has shape (9, 1, 9, 9)", (model, *given, "--images", tmp_path / "large.npz")),
        ("E705 the activation 'relu' has no levels", (relu, *given)),
        ("E705 4 images are too few", (model, *given, "--limit", 4)),
        ("E705 the folder of the results is that", (model, "--timesteps", 2, "-o", trained)),
        ("E706 the folder holds an unfinished", (model, "--timesteps", 2, "-o", tmp_path / "unfinished")),
        ("E615 the results cannot be written", (model, "--timesteps", 2, "-o", tmp_path / "file" / "out")),
    )
    for message, arguments in cases:
        (line,) = refused(*arguments)
        assert line.startswith(message), line
    assert len(refused(model, "--timesteps", 0, "--epochs", -1, "--seed", -1, "-o", tmp_path / "out")) == 3
    assert not (tmp_path / "out").exists()


def test_gradients_on_the_command_line_are_those_there_are() -> None:
    assert get_args(Gradient) == GRADIENTS
