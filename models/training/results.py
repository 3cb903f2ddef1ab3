"""What a training leaves: a record per round, and the files of the finished network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...runtime.program.artefact import write_file
from ..checkpoint import Checkpoint, onnx_of, save_checkpoint, thresholds
from ..datasets.device_images import tensors
from ..datasets.sample_file import draw, sample_file, written_test_set
from .evaluation import accuracy
from .objectives import objective_of
from .progress_file import Progress, remove_progress
from .task import Task, split_training_set

CHECKPOINT_NAME = "model.pt"
ONNX_NAME = "model.onnx"
RECORD_NAME = "train.json"
TEST_NAME = "test.npz"
CALIBRATION_NAME = "calibration.npz"
CALIBRATION_IMAGES = 1024


def round_record(task: Task, progress: Progress) -> dict[str, Any]:
    """Return the figures of a finished round; ``timesteps`` T says that accuracies are of the spiking network at T."""
    current = task.rounds[progress.round]
    network = Checkpoint(task.spec, current.activation, progress.best_weights, {}).build().to(task.device)
    test = tensors(task.data.test, task.device)
    record = {
        "round": current.name,
        "epochs": current.epochs,
        "best_epoch": progress.best_epoch,
        "validation_accuracy": progress.best_accuracy,
        "test_accuracy": accuracy(network, *test),
        "thresholds": thresholds(network),
    }
    objective = objective_of(current, task.options, task.spec, task.device, progress.teacher)
    if objective.timesteps is None:
        return record
    objective.network.load_state_dict(progress.best_weights)
    spiking = {"timesteps": objective.timesteps, "test_accuracy": accuracy(objective.judged(), *test)}
    return {**record, **spiking, "ann_test_accuracy": record["test_accuracy"]}


def write_results(task: Task, progress: Progress, finished: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Write all files, forget the progress, and return what train.json says."""
    options, data = task.options, task.data
    test = written_test_set(data.test)
    record = {
        "dataset": data.name,
        "images": {
            "train": len(task.train[0]),
            "validation": len(task.held_out[0]),
            "test": len(data.test),
            "test_file": len(test),
        },
        "options": options.as_dict(),
        "rounds": finished,
        "history": progress.history,
    }
    last = task.rounds[-1]
    checkpoint = Checkpoint(task.spec, last.activation, progress.best_weights, record)
    calibration = draw(split_training_set(options, data)[0], CALIBRATION_IMAGES, options.seed)
    samples = {TEST_NAME: sample_file(test), CALIBRATION_NAME: sample_file(calibration)}
    write_network(folder, checkpoint, samples)
    remove_progress(folder)
    return record


def write_network(folder: Path, checkpoint: Checkpoint, samples: dict[str, bytes]) -> None:
    """Write model.pt, model.onnx, sample files by name, and what the checkpoint records as train.json.

    Errors: E615 a file that cannot be written; each is whole or as it was.
    """
    save_checkpoint(folder / CHECKPOINT_NAME, checkpoint)
    write_file(folder / ONNX_NAME, onnx_of(checkpoint))
    for name, content in samples.items():
        write_file(folder / name, content)
    write_file(folder / RECORD_NAME, (json.dumps(checkpoint.training, indent=2, sort_keys=True) + "\n").encode())
