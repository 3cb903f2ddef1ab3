"""Two-round training of quantise-and-clip networks (Xiong 2025, phase I), resumable after every epoch."""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..runtime.artefact import write_file
from ..runtime.progress import progress_bar
from ..targets.diagnostic import Diagnostic, Place, UnusableInput
from .activation import QuantiseClip, keep_thresholds_positive
from .augmentation import augment
from .checkpoint import Checkpoint, onnx_bytes, save_checkpoint, thresholds
from .datasets.images import DataSet, ImageSet, split
from .datasets.sample_file import draw, sample_file
from .evaluation import accuracy, as_input
from .options import Round, TrainingOptions
from .progress_file import Progress, load_progress, refuse_unfinished, remove_progress, save_progress
from .thresholds import set_thresholds

CHECKPOINT_NAME = "model.pt"
ONNX_NAME = "model.onnx"
RECORD_NAME = "train.json"
TEST_NAME = "test.npz"
CALIBRATION_NAME = "calibration.npz"
CALIBRATION_IMAGES = 1024
MOMENTUM = 0.9
THRESHOLD_IMAGES = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    options: TrainingOptions
    data: DataSet
    device: torch.device
    train: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]

    @property
    def purpose(self) -> dict[str, Any]:
        return {**self.options.as_dict(), "dataset": self.data.name}


def train(
    options: TrainingOptions, data: DataSet, folder: Path, *, resume: bool = False, device: str = "auto"
) -> dict[str, Any]:
    """Train, and write model.pt, model.onnx, train.json, test.npz and calibration.npz into ``folder``.

    Returns what train.json says. calibration.npz holds 1024 training images that chose no epoch.

    The best epoch of each round is the one with the highest accuracy on held-out training images; the test set is
    looked at once per round, for the record. On one machine with one number of threads, equal options give equal
    weights on a CPU, resumed or not. ``device`` is auto, cpu or cuda.
    Errors: E705 impossible options, E706 nothing to resume or an unfinished training in the way, E707 divergence,
    E615 the folder cannot be written.
    """
    problems = (*options.problems(data), *_device_problems(device))
    if problems:
        raise UnusableInput(problems)
    task = _task(options, data, device)
    if resume:
        progress = load_progress(folder, task.purpose)
    else:
        refuse_unfinished(folder)
        progress = _start_round(task, 0, [], [], None)
        save_progress(folder, progress, task.purpose)
    rounds = options.rounds()
    while True:
        progress = _finish_epochs(task, progress, folder)
        finished = [*progress.finished, _round_record(task, progress)]
        if progress.round + 1 == len(rounds):
            return _write_results(task, progress, finished, folder)
        progress = _start_round(task, progress.round + 1, progress.history, finished, progress.best_weights)
        save_progress(folder, progress, task.purpose)


def _device_problems(device: str) -> tuple[Diagnostic, ...]:
    if device in ("auto", "cpu") or (device == "cuda" and torch.cuda.is_available()):
        return ()
    return (Diagnostic("E705", f"device '{device}' is not there", hint="choose auto, or cpu"),)


def split_training_set(options: TrainingOptions, data: DataSet) -> tuple[ImageSet, ImageSet]:
    """Return the images that train and the images that choose the best epoch."""
    return split(data.train, options.held_out_images(data), options.seed)


def _task(options: TrainingOptions, data: DataSet, device: str) -> _Task:
    usable = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(usable if device == "auto" else device)
    rest, held_out = split_training_set(options, data)
    return _Task(options, data, chosen, _tensors(rest, chosen), _tensors(held_out, chosen))


def _tensors(images: ImageSet, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(images.images, device=device), torch.tensor(images.labels, device=device)


def _build(task: _Task, index: int, weights: dict[str, Tensor] | None) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.options.seed)
        network = task.options.network_spec(task.data).build(task.options.rounds()[index].activation)
    if weights is not None:
        # A ReLU has no weights, so a ReLU network lacks exactly the thresholds of its quantise-and-clip twin.
        network.load_state_dict(weights, strict=False)
    return network.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _optimiser(task: _Task, network: nn.Module) -> torch.optim.SGD:
    decay = {True: task.options.threshold_decay, False: task.options.weight_decay}
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for module in network.modules():
        groups[isinstance(module, QuantiseClip)].extend(module.parameters(recurse=False))
    chosen = [{"params": groups[key], "weight_decay": decay[key]} for key in groups if groups[key]]
    return torch.optim.SGD(chosen, lr=0.1, momentum=MOMENTUM)


def _start_round(
    task: _Task,
    index: int,
    history: list[dict[str, Any]],
    finished: list[dict[str, Any]],
    weights: dict[str, Tensor] | None,
) -> Progress:
    network = _build(task, index, weights)
    if index:
        relu_network = _build(task, index - 1, weights)
        sample = as_input(task.train[0][:THRESHOLD_IMAGES])
        set_thresholds(relu_network, network, sample, task.options.threshold_rule)
    state = _weights(network)
    optimiser = _optimiser(task, network).state_dict()
    return Progress(index, 0, state, optimiser, accuracy(network, *task.held_out), 0, state, history, finished)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _finish_epochs(task: _Task, progress: Progress, folder: Path) -> Progress:
    current = task.options.rounds()[progress.round]
    if progress.epoch == current.epochs:
        return progress
    network = _build(task, progress.round, progress.weights)
    optimiser = _optimiser(task, network)
    optimiser.load_state_dict(progress.optimiser)
    for epoch in range(progress.epoch, current.epochs):
        began = time.perf_counter()
        loss = _epoch(task, network, optimiser, progress.round, epoch)
        validation = accuracy(network, *task.held_out)
        entry = {"round": current.name, "epoch": epoch + 1, "loss": loss, "validation_accuracy": validation}
        _say(f"{current.name} {epoch + 1}/{current.epochs}: loss {loss:.4f}, validation {validation:.4f}", began)
        weights = _weights(network)
        progress = replace(
            progress,
            epoch=epoch + 1,
            weights=weights,
            optimiser=copy.deepcopy(optimiser.state_dict()),
            history=[*progress.history, entry],
        )
        if validation > progress.best_accuracy:
            progress = replace(progress, best_accuracy=validation, best_epoch=epoch + 1, best_weights=weights)
        save_progress(folder, progress, task.purpose)
    return progress


def _epoch(task: _Task, network: nn.Module, optimiser: torch.optim.SGD, index: int, epoch: int) -> float:
    random = np.random.default_rng([task.options.seed, index, epoch])
    current = task.options.rounds()[index]
    images, labels = task.train
    order = torch.from_numpy(random.permutation(len(images)))
    batches = torch.split(order, task.options.batch_size)
    network.train()
    total = 0.0
    with progress_bar(f"{current.name} epoch {epoch + 1}/{current.epochs}") as progress:
        for number, chosen in enumerate(batches):
            share = (epoch + number / len(batches)) / current.epochs
            for group in optimiser.param_groups:
                group["lr"] = current.learning_rate * (1 + math.cos(math.pi * share)) / 2
            batch = augment(images[chosen], task.data.shift, task.data.flip, random)
            loss = F.cross_entropy(network(as_input(batch)), labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            keep_thresholds_positive(network)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise _diverged(current, epoch, number)
            total += value * len(chosen)
            progress(number + 1, len(batches))
    return total / len(images)


def _diverged(current: Round, epoch: int, batch: int) -> UnusableInput:
    message = f"the training diverged in round {current.name}, epoch {epoch + 1}, batch {batch + 1}"
    hint = f"lower the learning rate of the round, now {current.learning_rate}"
    return UnusableInput(Diagnostic("E707", message, Place(layer=current.name), hint=hint))


def _say(text: str, began: float) -> None:
    sys.stderr.write(f"{text}, {time.perf_counter() - began:.1f} s\n")


def _round_record(task: _Task, progress: Progress) -> dict[str, Any]:
    current = task.options.rounds()[progress.round]
    network = _build(task, progress.round, progress.best_weights)
    return {
        "round": current.name,
        "epochs": current.epochs,
        "best_epoch": progress.best_epoch,
        "validation_accuracy": progress.best_accuracy,
        "test_accuracy": accuracy(network, *_tensors(task.data.test, task.device)),
        "thresholds": thresholds(network),
    }


def _write_results(task: _Task, progress: Progress, finished: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    options, data = task.options, task.data
    record = {
        "dataset": data.name,
        "images": {"train": len(task.train[0]), "validation": len(task.held_out[0]), "test": len(data.test)},
        "options": options.as_dict(),
        "rounds": finished,
        "history": progress.history,
    }
    last = options.rounds()[-1]
    checkpoint = Checkpoint(options.network_spec(data), last.activation, progress.best_weights, record)
    save_checkpoint(folder / CHECKPOINT_NAME, checkpoint)
    write_file(folder / ONNX_NAME, onnx_bytes(checkpoint.build(), checkpoint.network))
    calibration = draw(split_training_set(options, data)[0], CALIBRATION_IMAGES, options.seed)
    write_file(folder / TEST_NAME, sample_file(data.test))
    write_file(folder / CALIBRATION_NAME, sample_file(calibration))
    write_file(folder / RECORD_NAME, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode())
    remove_progress(folder)
    return record
