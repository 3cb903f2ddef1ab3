"""Training in rounds, from a ReLU network to a spiking one, resumable after every epoch."""

from __future__ import annotations

import copy
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...runtime.progress import progress_bar
from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ..checkpoint import Checkpoint
from ..datasets.device_images import StreamedImages, read_batches
from ..datasets.images import DataSet
from ..networks.activation import ThresholdLayer, keep_thresholds_positive
from .augmentation import augment
from .evaluation import accuracy, as_input
from .objectives import Objective, objective_of
from .options import Round, RoundName, Teacher, TrainingOptions
from .progress_file import Progress, load_progress, refuse_unfinished, save_progress
from .rate_norm import RateNormClip
from .results import CHECKPOINT_NAME, round_record, write_results
from .starting import start_problems
from .task import Task, split_training_set, task_of
from .timing import append_seconds

__all__ = ["CHECKPOINT_NAME", "split_training_set", "train"]

MOMENTUM = 0.9
ANNS_THAT_TEACH: dict[Teacher, tuple[RoundName, ...]] = {"quantised": ("qc", "noise"), "relu": ("relu",)}
"""Rounds whose networks teach the last round; the most accurate of them does."""
BATCHES_BETWEEN_LOOKS = 32
"""Losses are read so rarely because reading one waits for a GPU, which then has nothing to do until the next batch."""


def train(
    options: TrainingOptions,
    data: DataSet,
    folder: Path,
    *,
    start: Checkpoint | None = None,
    resume: bool = False,
    device: str = "auto",
) -> dict[str, Any]:
    """Train, and write model.pt, model.onnx, train.json, test.npz and calibration.npz into ``folder``.

    Returns what train.json says. calibration.npz holds 1024 training images that chose no epoch, test.npz the test set;
    of a lazy one it holds 1000 images drawn at random, as ``images.test_file`` in train.json tells. Of each epoch's
    processor time seconds.jsonl keeps a line.

    ``start`` is a checkpoint of the same network and split whose rounds need no repeating: training goes on with the
    first round that its record lacks, and gives what training all of them at once would have given.
    The best epoch of each round is the one with the highest accuracy on held-out training images (of RateNorm, and
    where firing has a price, the last); the test set is looked at once per round, for the record. On one machine with
    one number of threads, equal options give equal weights on a CPU, resumed or not. ``device`` is auto, cpu or cuda.
    Errors: E705 impossible options, E706 nothing to resume or an unfinished training in the way, E707 divergence,
    E710 a checkpoint that the options do not continue, E615 the folder cannot be written.
    """
    problems = (*options.problems(data), *_device_problems(device))
    if start is not None and not problems:
        problems = start_problems(options, data, start)
    if problems:
        raise UnusableInput(problems)
    task = task_of(options, data, device, start)
    if resume:
        progress = load_progress(folder, task.purpose)
    else:
        refuse_unfinished(folder)
        progress = _first_round(task, start)
        save_progress(folder, progress, task.purpose)
    while True:
        progress = _finish_epochs(task, progress, folder)
        finished = [*progress.finished, round_record(task, progress)]
        if progress.round + 1 == len(task.rounds):
            return write_results(task, progress, finished, folder)
        progress = _next_round(task, replace(progress, finished=finished))
        save_progress(folder, progress, task.purpose)


def _device_problems(device: str) -> tuple[Diagnostic, ...]:
    if device in ("auto", "cpu") or (device == "cuda" and torch.cuda.is_available()):
        return ()
    return (Diagnostic("E705", f"device '{device}' is not there", hint="choose auto, or cpu"),)


def _first_round(task: Task, start: Checkpoint | None) -> Progress:
    nothing = Progress(0, 0, {}, {}, 0.0, 0, {}, [], [], {}, 0.0)
    if start is None:
        return _started(task, nothing, None)
    finished = list(start.training["rounds"])
    before = replace(nothing, round=len(finished) - 1, best_weights=start.weights, finished=finished)
    return _next_round(task, replace(before, history=list(start.training["history"])))


def _next_round(task: Task, progress: Progress) -> Progress:
    """Start the round after that of ``progress``; an ANN of the rounds so far teaches the last one."""
    ended = task.rounds[progress.round]
    if ended.name in ANNS_THAT_TEACH[task.options.teacher]:
        ann = Checkpoint(task.spec, ended.activation, progress.best_weights, {}).build().to(task.device)
        measured = accuracy(ann, *task.held_out)
        if measured >= progress.teacher_accuracy:
            progress = replace(progress, teacher=progress.best_weights, teacher_accuracy=measured)
    return _started(task, replace(progress, round=progress.round + 1), progress.best_weights)


def _started(task: Task, progress: Progress, weights: dict[str, Tensor] | None) -> Progress:
    objective = _objective(task, progress, weights)
    if weights is not None:
        objective.initialise(task.train[0])
    best = _copied(objective.weights())
    return replace(
        progress,
        epoch=0,
        weights=_copied(objective.network.state_dict()),
        optimiser=_optimiser(task, objective.network).state_dict(),
        best_accuracy=accuracy(objective.judged(), *task.held_out),
        best_epoch=0,
        best_weights=best,
    )


def _objective(task: Task, progress: Progress, weights: dict[str, Tensor] | None) -> Objective:
    current = task.rounds[progress.round]
    objective = objective_of(current, task.options, task.spec, task.device, progress.teacher)
    if weights is not None:
        # The network of the round before lacks exactly what the round's ``initialise`` finds.
        objective.network.load_state_dict(weights, strict=False)
    return objective


def _optimiser(task: Task, network: nn.Module) -> torch.optim.SGD:
    decay = {True: task.options.threshold_decay, False: task.options.weight_decay}
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for module in network.modules():
        trained = [p for p in module.parameters(recurse=False) if p.requires_grad]
        groups[isinstance(module, ThresholdLayer | RateNormClip)].extend(trained)
    chosen = [{"params": groups[key], "weight_decay": decay[key]} for key in groups if groups[key]]
    return torch.optim.SGD(chosen, lr=0.1, momentum=MOMENTUM)


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}


def _finish_epochs(task: Task, progress: Progress, folder: Path) -> Progress:
    current = task.rounds[progress.round]
    if progress.epoch == current.epochs:
        return progress
    objective = _objective(task, progress, progress.weights)
    optimiser = _optimiser(task, objective.network)
    optimiser.load_state_dict(progress.optimiser)
    for epoch in range(progress.epoch, current.epochs):
        began, worked = time.perf_counter(), time.process_time()
        figures = objective.begin_epoch(epoch, task.held_out[0])
        loss = _epoch(task, objective, optimiser, progress.round, epoch)
        validation = accuracy(objective.judged(), *task.held_out)
        entry = {"round": current.name, "epoch": epoch + 1, "loss": loss, "validation_accuracy": validation, **figures}
        _say(f"{current.name} {epoch + 1}/{current.epochs}: loss {loss:.4f}, validation {validation:.4f}", began)
        progress = replace(
            progress,
            epoch=epoch + 1,
            weights=_copied(objective.network.state_dict()),
            optimiser=copy.deepcopy(optimiser.state_dict()),
            history=[*progress.history, entry],
        )
        if validation > progress.best_accuracy or objective.keeps_last:
            best = _copied(objective.weights())
            progress = replace(progress, best_accuracy=validation, best_epoch=epoch + 1, best_weights=best)
        append_seconds(folder, current.name, epoch + 1, time.process_time() - worked)
        save_progress(folder, progress, task.purpose)
    return progress


def _epoch(task: Task, objective: Objective, optimiser: torch.optim.SGD, index: int, epoch: int) -> float:
    random = np.random.default_rng([task.options.seed, index, epoch])
    current = task.rounds[index]
    images, labels = task.train
    margin = task.data.shift if isinstance(images, StreamedImages) else 0
    order = torch.from_numpy(random.permutation(len(images)))
    batches = torch.split(order, task.options.batch_size)
    objective.network.train(objective.updates_statistics)
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    unread: list[Tensor] = []
    losses: list[float] = []
    with (
        progress_bar(f"{current.name} epoch {epoch + 1}/{current.epochs}") as progress,
        torch.random.fork_rng(devices=[task.device] if task.device.type == "cuda" else []),
    ):
        # Noise is drawn on the device by torch's generator; everything else comes from numpy's.
        torch.manual_seed(int(random.integers(2**62)))
        for number, (chosen, pixels) in enumerate(zip(batches, read_batches(images, batches, margin), strict=True)):
            share = (epoch + number / len(batches)) / current.epochs
            for group in optimiser.param_groups:
                group["lr"] = current.learning_rate * (1 + math.cos(math.pi * share)) / 2
            batch = augment(pixels, task.data.shift, task.data.flip, random, margin)
            with torch.autocast(task.device.type, torch.bfloat16, enabled=task.options.precision == "bfloat16"):
                loss = objective.loss(as_input(batch), labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if task.options.gradient_norm:
                nn.utils.clip_grad_norm_(trained, task.options.gradient_norm)
            optimiser.step()
            keep_thresholds_positive(objective.network)
            unread.append(loss.detach())
            if len(unread) == BATCHES_BETWEEN_LOOKS or number + 1 == len(batches):
                losses += torch.stack(unread).tolist()
                unread.clear()
                _require_finite(losses, current, epoch)
            progress(number + 1, len(batches))
    return math.fsum(loss * len(chosen) for loss, chosen in zip(losses, batches, strict=True)) / len(images)


def _require_finite(losses: list[float], current: Round, epoch: int) -> None:
    for batch, loss in enumerate(losses):
        if not math.isfinite(loss):
            raise _diverged(current, epoch, batch)


def _diverged(current: Round, epoch: int, batch: int) -> UnusableInput:
    message = f"the training diverged in round {current.name}, epoch {epoch + 1}, batch {batch + 1}"
    hint = f"lower the learning rate of the round, now {current.learning_rate}"
    return UnusableInput(Diagnostic("E707", message, Place(layer=current.name), hint=hint))


def _say(text: str, began: float) -> None:
    sys.stderr.write(f"{text}, {time.perf_counter() - began:.1f} s\n")
