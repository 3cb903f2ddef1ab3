"""Puts the results of a training into this folder: ``python -m spikec.models.shipped.build RUN``.

RUN is the folder of ``spikec train`` on Fashion-MNIST; README.md has the command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...runtime.program.artefact import write_file
from ..checkpoint import export_onnx, load_checkpoint, save_checkpoint
from ..datasets.library import load_dataset
from ..datasets.sample_file import draw, npz_bytes
from ..training.options import TrainingOptions
from ..training.training import CHECKPOINT_NAME, split_training_set
from . import shipped_checkpoint, shipped_model, shipped_samples

TEST_IMAGES = 1000
CALIBRATION_IMAGES = 512


def build(run: Path) -> None:
    """Write the shipped checkpoint, its ONNX export and the images of both uses; errors as of their readers."""
    trained = run / CHECKPOINT_NAME
    checkpoint = load_checkpoint(trained)
    options = TrainingOptions(**checkpoint.training["options"])
    data = load_dataset(checkpoint.training["dataset"])
    training_images, _ = split_training_set(options, data)
    test = data.test.take(slice(TEST_IMAGES))
    calibration = draw(training_images, CALIBRATION_IMAGES, options.seed)
    save_checkpoint(shipped_checkpoint(), checkpoint)
    write_file(shipped_model(), export_onnx(trained))
    arrays: dict[str, npt.NDArray[Any]] = {
        "test_inputs": test.images[:],
        "test_labels": test.labels,
        "calibration_inputs": calibration.images[:],
        "calibration_labels": calibration.labels,
    }
    write_file(shipped_samples(), npz_bytes(arrays))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
