"""Networks of torchvision as both exporters of torch write them: compiled, or refused with all that is in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikec
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput

NETWORKS = {
    "alexnet": 224,
    "squeezenet1_1": 64,
    "resnet18": 64,
    "mobilenet_v2": 64,
    "densenet121": 64,
    "googlenet": 64,
    "shufflenet_v2_x1_0": 64,
}
"""Rows and columns of their images here: few, but those that AlexNet's pool is exported for."""


def exported(name: str, size: int, dynamo: bool, path: Path) -> Path:
    """Random weights, and batch norm that has seen random images."""
    import torch
    import torchvision

    torch.manual_seed(0)
    more: dict[str, Any] = {"init_weights": True} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(weights=None, **more)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model(torch.rand(4, 3, max(size, 96), max(size, 96)))
    file = path / f"{name}.onnx"
    more = {"external_data": False, "verbose": False} if dynamo else {}
    torch.onnx.export(model.eval(), (torch.zeros(1, 3, size, size),), str(file), dynamo=dynamo, **more)
    return file


def images(size: int) -> Samples:
    return Samples(np.random.default_rng(0).random((4, 3, size, size), dtype=np.float32), None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_is_compiled_with_shared_weights(name: str, dynamo: bool, tmp_path: Path) -> None:
    size = NETWORKS[name]
    file = exported(name, size, dynamo, tmp_path)
    compiled = spikec.compile_model(file, spikec.CompileOptions(target="lava", timesteps=4, calibration=images(size)))
    assert compiled.report.verdict in ("fits", "fits-with-warnings")
    (composed,) = (row for row in compiled.report.passes if row.name == "compose-linear-maps")
    # SqueezeNet's scores are means over maps, which nothing shares.
    assert composed.figures["sparse"] == (name == "squeezenet1_1")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
def test_every_gate_is_named(dynamo: bool, tmp_path: Path) -> None:
    file = exported("mobilenet_v3_small", 64, dynamo, tmp_path)
    with pytest.raises(UnusableInput) as caught:
        spikec.compile_model(file, spikec.CompileOptions(target="lava", timesteps=4, calibration=images(64)))
    (gates,) = caught.value.diagnostics
    assert (gates.code, len(gates.place.nodes)) == ("E103", 9)
    assert gates.hint is not None
    assert "squeeze-and-excitation" in gates.hint
