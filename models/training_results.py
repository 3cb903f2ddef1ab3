"""What a training leaves: a record per round, and the files of the finished network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..runtime.artefact import write_file
from .checkpoint import Checkpoint, onnx_bytes, save_checkpoint, thresholds
from .datasets.sample_file import draw, sample_file
from .evaluation import accuracy
from .objectives import objective_of
from .progress_file import Progress, remove_progress
from .task import Task, split_training_set, tensors

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
    record = {
        "dataset": data.name,
        "images": {"train": len(task.train[0]), "validation": len(task.held_out[0]), "test": len(data.test)},
        "options": options.as_dict(),
        "rounds": finished,
        "history": progress.history,
    }
    last = task.rounds[-1]
    checkpoint = Checkpoint(task.spec, last.activation, progress.best_weights, record)
    save_checkpoint(folder / CHECKPOINT_NAME, checkpoint)
    write_file(folder / ONNX_NAME, onnx_bytes(checkpoint.build(), checkpoint.network))
    calibration = draw(split_training_set(options, data)[0], CALIBRATION_IMAGES, options.seed)
    write_file(folder / TEST_NAME, sample_file(data.test))
    write_file(folder / CALIBRATION_NAME, sample_file(calibration))
    write_file(folder / RECORD_NAME, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode())
    remove_progress(folder)
    return record
