"""A plain ReLU ResNet-20 with batch norm, as torch exports it: folding is exact, and long windows reach the ANN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from spikec import targets
from spikec.compiler.analysis.ledger import predictions_of
from spikec.compiler.compilation import compile_model
from spikec.compiler.frontend.model import read_model
from spikec.compiler.ir.network import evaluate
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.fold_batch_norm import FoldBatchNorm
from spikec.compiler.passes.recognise_activations import RecogniseActivations
from spikec.compiler.pipeline import run_passes
from spikec.models.checkpoint import onnx_bytes
from spikec.models.datasets.library import load_dataset
from spikec.models.networks.networks import NetworkSpec
from spikec.models.training.options import TrainingOptions
from spikec.models.training.training import train
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples, load_samples
from spikec.runtime.simulator import simulate


def exported(path: Path, shortcut: str) -> Path:
    torch.manual_seed(0)
    spec = NetworkSpec("resnet20", 3, 32, 10, shortcut=shortcut)  # type: ignore[arg-type]
    network = spec.build(torch.nn.ReLU)
    network.train()
    with torch.no_grad():
        network(torch.rand(16, 3, 32, 32))
    network.eval()
    path.write_bytes(onnx_bytes(network, spec))
    return path


@pytest.mark.parametrize("shortcut", ["projection", "identity"])
def test_folded_network_equals_onnxruntime(tmp_path: Path, shortcut: str) -> None:
    file = exported(tmp_path / "resnet20.onnx", shortcut)
    images = np.random.default_rng(0).random((8, 3, 32, 32), dtype=np.float32)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: images})
    network = read_model(file).network
    passes = (RecogniseActivations(), FoldBatchNorm())
    folded = run_passes(network, Context(targets.load("lava"), 4), passes).state.network
    found = evaluate(folded, images)[folded.output]
    # Both in float32; folding changes the order of twenty layers' roundings.
    assert float(np.abs(found - expected).max()) <= 1e-4 * float(np.abs(expected).max())


@pytest.mark.slow
def test_long_windows_reach_the_ann(tmp_path: Path) -> None:
    options = TrainingOptions("resnet20", "relu", epochs_relu=12, seed=0)
    train(options, load_dataset("digits"), tmp_path, device="cpu")
    network = read_model(tmp_path / "model.onnx").network
    test = load_samples(tmp_path / "test.npz", network.input_shape)
    calibration = load_samples(tmp_path / "calibration.npz", network.input_shape).first(256)
    ann = test.accuracy(predictions_of(network, test.as_float()))
    assert ann is not None
    assert ann > 0.9
    assert ann - spiking_accuracy(tmp_path / "model.onnx", calibration, test, 32) <= 0.03
    assert ann - spiking_accuracy(tmp_path / "model.onnx", calibration, test, 128) <= 0.01


def spiking_accuracy(model: Path, calibration: Samples, test: Samples, timesteps: int) -> float:
    compiled = compile_model(model, CompileOptions(timesteps=timesteps, calibration=calibration))
    encoded, _ = encode(compiled.program.input, test.inputs)
    accuracy = test.accuracy(simulate(compiled.program, encoded).predictions)
    assert accuracy is not None
    return accuracy
