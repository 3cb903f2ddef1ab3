"""What stays the same through a training: options, data on the device, and what a continuation must share."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from ...targets.records import dataclass
from ..checkpoint import Checkpoint
from ..datasets.device_images import DeviceImages, tensors
from ..datasets.images import DataSet, ImageSet, split
from ..networks.networks import NetworkSpec
from .options import Round, TrainingOptions


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A training. ``train`` and ``held_out`` are images (N, C, H, W) and labels (N,) for ``device``."""

    options: TrainingOptions
    data: DataSet
    device: torch.device
    train: tuple[DeviceImages, Tensor]
    held_out: tuple[DeviceImages, Tensor]
    start: str | None
    """SHA-256 of the weights that the training starts from; None where it starts from nothing."""

    @property
    def purpose(self) -> dict[str, Any]:
        """What an unfinished training must share with its continuation."""
        started = {} if self.start is None else {"start": self.start}
        return {**self.options.as_dict(), "dataset": self.data.name, **started}

    @property
    def rounds(self) -> tuple[Round, ...]:
        """All rounds, with those that ``start`` has finished."""
        return self.options.rounds()

    @property
    def spec(self) -> NetworkSpec:
        """The network."""
        return self.options.network_spec(self.data)


def task_of(options: TrainingOptions, data: DataSet, device: str, start: Checkpoint | None) -> Task:
    """Put the data onto the device, auto, cpu or cuda; lazy images follow batch by batch."""
    usable = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(usable if device == "auto" else device)
    rest, held_out = split_training_set(options, data)
    digest = None if start is None else _digest(start.weights)
    return Task(options, data, chosen, tensors(rest, chosen), tensors(held_out, chosen), digest)


def split_training_set(options: TrainingOptions, data: DataSet) -> tuple[ImageSet, ImageSet]:
    """Return the images that train and the images that choose the best epoch."""
    if data.validation is not None:
        return data.train, data.validation
    return split(data.train, options.held_out_images(data), options.seed)


def _digest(weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
