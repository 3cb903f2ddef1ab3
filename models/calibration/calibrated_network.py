"""From the folder of a trained network to that of the same network with calibrated weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...runtime.samples import load_samples
from ...targets.diagnostic import refuse
from ...targets.records import dataclass
from ..checkpoint import load_checkpoint
from ..training.progress_file import refuse_unfinished
from ..training.results import CALIBRATION_NAME, TEST_NAME, write_network
from .weight_calibration import WeightCalibration, calibrate_weights

USUAL_IMAGES = 1024
"""As many as the papers take."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a calibration records, and how many images it had."""

    record: dict[str, Any]
    images: int


def calibrate_network(
    checkpoint: Path,
    output: Path,
    options: WeightCalibration,
    *,
    images: Path | None = None,
    limit: int = USUAL_IMAGES,
) -> Calibrated:
    """Write the network of ``checkpoint`` with calibrated weights into the folder ``output``, as ``train`` would.

    Calibrates on the first ``limit`` of ``images``, training images that chose nothing, by default those in
    calibration.npz beside the checkpoint. Errors: E701 no images, E705 ``output`` is the checkpoint's own folder, E615
    it cannot be written, E706 an unfinished training is in it; those of `load_checkpoint` and `calibrate_weights`.
    """
    _require_checkpoint(checkpoint)
    trained = load_checkpoint(checkpoint)
    source = _beside(checkpoint) if images is None else images
    spec = trained.network
    samples = load_samples(source, spec.shape, classes=spec.classes, integers=spec.integers).first(limit)
    refuse_unfinished(output)
    _require_place(output, checkpoint)
    inputs = samples.inputs.astype(np.int8) if spec.signed else samples.inputs
    result = calibrate_weights(trained, torch.from_numpy(inputs), options)
    copied = {TEST_NAME: checkpoint.with_name(TEST_NAME), CALIBRATION_NAME: source}
    write_network(output, result, {name: path.read_bytes() for name, path in copied.items() if path.is_file()})
    return Calibrated(result.training["weight_calibration"], len(samples))


def _require_checkpoint(file: Path) -> None:
    """E713 for a model that has no layers in torch: gradients go through them, and results are written of them."""
    if file.suffix.lower() == ".onnx":
        message = "weights are calibrated by training in torch, and an ONNX file holds no network of torch"
        hint = "compile it with --calibration FILE.npz, which fits weights of ReLU layers to their counts in T steps"
        raise refuse("E713", message, file=file, hint=hint)


def _beside(checkpoint: Path) -> Path:
    path = checkpoint.with_name(CALIBRATION_NAME)
    if not path.is_file():
        hint = "give training images with --images FILE.npz"
        raise refuse("E701", "there are no calibration images beside the checkpoint", file=path, hint=hint)
    return path


def _require_place(output: Path, checkpoint: Path) -> None:
    """Refuse, before minutes of work, a folder that cannot be written or whose checkpoint would be replaced."""
    if output.resolve() == checkpoint.resolve().parent:
        hint = "give another folder"
        raise refuse("E705", "the folder of the results is that of the checkpoint", file=output, hint=hint)
    existing = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        hint = "check the path, space and permissions"
        raise refuse("E615", "the results cannot be written there", file=existing, hint=hint)
