"""Quantise-and-clip networks with random weights, as ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

LEVELS = 4


def write_random(file: Path, shape: tuple[int, int, int], build: Callable[[Any], Any], images: int = 16) -> None:
    """Write the network as ONNX: quantise-and-clip of four levels, random weights.

    Batch norms and thresholds are set on random ``images``, so that rates are those of a trained network.
    """
    import torch

    from spikec.models.checkpoint import onnx_bytes
    from spikec.models.networks.activation import Activation
    from spikec.models.networks.networks import NetworkSpec
    from spikec.models.training.thresholds import set_thresholds

    torch.manual_seed(0)
    relu, seen = build(Activation("relu")), torch.rand(images, *shape)
    with torch.no_grad():
        relu.train()(seen)
    network: Any = build(Activation("round", LEVELS))
    network.load_state_dict(relu.eval().state_dict(), strict=False)
    set_thresholds(relu, network.eval(), seen, "mmse")
    # The spec tells the exporter the shape of a sample, whatever network it would build itself.
    file.write_bytes(onnx_bytes(network, NetworkSpec("convnet", shape[0], shape[1], 10)))
