"""The network that comes with spikec, and real images for it; read without torch. README.md says how it was trained."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped_model() -> Path:
    """ONNX file of the network: ``input`` (batch, 1, 28, 28) float32 in 0..1 to ``logits`` (batch, 10)."""
    return _path("fashion_mnist.onnx")


def shipped_checkpoint() -> Path:
    """Checkpoint of the same network."""
    return _path("fashion_mnist.pt")


def shipped_samples() -> Path:
    """An .npz file with images of Fashion-MNIST, uint8 (N, 1, 28, 28), and their labels (N,).

    ``test_inputs``, ``test_labels``: the first 1000 images of the test set. ``calibration_inputs``,
    ``calibration_labels``: 512 images of the training set.
    """
    return _path("fashion_mnist_samples.npz")


def _path(name: str) -> Path:
    # The package is installed unpacked, so its data files are files.
    return Path(str(files(__package__).joinpath(name)))
