"""Signals of one row from a data set to Lava: trained, calibrated, compiled, evaluated, the same on every backend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from spikec import load_program
from spikec.__main__ import run
from spikec.models.calibration.weight_calibration import WeightCalibration, calibrate_weights
from spikec.models.checkpoint import load_checkpoint
from spikec.models.networks.spiking import SpikingNetwork
from spikec.models.training.evaluation import as_input

from ..datasets.pickled_tables import activity_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a signal net trained on made data, with people held out."""
    folder = tmp_path_factory.mktemp("signals")
    data = activity_folder(folder, windows=10)
    options = ["--width", "4", "--epochs-relu", "4", "--epochs-qc", "2", "--held-out", "0.25", "--batch-size", "32"]
    command = ["train", "--network", "signalnet", "--dataset", "activity", "--data", str(data), "--device", "cpu"]
    assert run([*command, *options, "--learning-rate-relu", "0.05", "-o", str(folder / "run"), "-q"]) == 0
    return folder / "run"


def test_signals_keep_their_sign_in_every_file(trained: Path) -> None:
    record = json.loads((trained / "train.json").read_text())
    assert record["images"] == {"train": 360, "validation": 120, "test": 120, "test_file": 120}
    assert record["rounds"][-1]["test_accuracy"] > 0.6
    (taken,) = onnx.load(trained / "model.onnx").graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.INT8
    with np.load(trained / "test.npz") as file:
        inputs, labels = file["inputs"], file["labels"]
    assert (inputs.dtype, inputs.shape[1:]) == (np.int8, (6, 1, 128))
    assert inputs.min() < 0 < inputs.max()
    session = onnxruntime.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": inputs})
    assert (logits.argmax(1) == labels).mean() == pytest.approx(record["rounds"][-1]["test_accuracy"], abs=0.01)
    network = load_checkpoint(trained / "model.pt").build()
    with torch.no_grad():
        ours = network(as_input(torch.from_numpy(inputs)))
    np.testing.assert_allclose(ours.numpy(), logits, atol=0.2)  # a value near a level may fall to either side
    assert np.median(np.abs(ours.numpy() - logits)) < 1e-5


def test_the_network_trained_over_its_spikes_is_the_one_that_runs(trained: Path) -> None:
    checkpoint = load_checkpoint(trained / "model.pt")
    spiking = SpikingNetwork(checkpoint.network, checkpoint.activation, 4).eval()
    spiking.network.load_state_dict(checkpoint.weights)
    with np.load(trained / "test.npz") as file, torch.no_grad():
        logits = spiking(as_input(torch.from_numpy(file["inputs"])))
    assert logits.shape == (120, 6)


def test_three_backends_agree_on_a_network_of_signals(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, test, calibration = (str(trained / name) for name in ("model.onnx", "test.npz", "calibration.npz"))
    artefact = str(tmp_path / "artefact")
    assert run(["compile", model, "-o", artefact, "--timesteps", "4", "--calibration", calibration, "-q"]) == 0
    encoding = load_program(Path(artefact)).input
    assert (encoding.sample_shape, encoding.integers, encoding.step) == ((6, 1, 128), (-128, 127), 1)
    verify = ["verify", artefact, "--data", test, "--backends", "reference,simulator,lava", "--limit", "2", "--json"]
    capsys.readouterr()
    assert run(verify) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"]
    assert len(found["compared"]) == 6
    evaluate = [
        "evaluate",
        model,
        "--data",
        test,
        "--calibration",
        calibration,
        "--timesteps",
        "8",
        "--methods",
        "qcfs",
    ]
    assert run([*evaluate, "--limit", "60", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rows"][0]["accuracy"] >= result["ann_accuracy"]["round"] - 0.1


def test_weights_are_calibrated_on_signals_as_they_lie_in_the_file(trained: Path, tmp_path: Path) -> None:
    calibrated = tmp_path / "calibrated"
    command = [
        "calibrate-weights",
        str(trained / "model.pt"),
        "--timesteps",
        "2",
        "--epochs",
        "2",
        "-o",
        str(calibrated),
    ]
    assert run([*command, "-q"]) == 0
    record = json.loads((calibrated / "train.json").read_text())["weight_calibration"]
    assert len(record["errors"]) == 5
    with np.load(trained / "calibration.npz") as file:
        signals = torch.from_numpy(file["inputs"])
    direct = calibrate_weights(load_checkpoint(trained / "model.pt"), signals, WeightCalibration(2, epochs=2))
    assert record == direct.training["weight_calibration"]
    assert (calibrated / "calibration.npz").read_bytes() == (trained / "calibration.npz").read_bytes()
