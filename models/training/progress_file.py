"""The file in which an unfinished training keeps all that continues it: ``progress.pt``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from ...runtime.program.artefact import write_file
from ...targets.diagnostic import refuse
from ...targets.records import dataclass
from ..checkpoint import read_dictionary, to_bytes

FORMAT = "spikec-training"
VERSION = 2
NAME = "progress.pt"


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """State of a training between two epochs. Random numbers come from (seed, round, epoch), so none are kept."""

    round: int
    """Index of the round."""
    epoch: int
    """Epochs finished in the round."""
    weights: dict[str, Tensor]
    optimiser: dict[str, Any]
    best_accuracy: float
    """On the held-out images, in this round."""
    best_epoch: int
    best_weights: dict[str, Tensor]
    history: list[dict[str, Any]]
    """One record per epoch of all rounds."""
    finished: list[dict[str, Any]]
    """One record per finished round."""
    teacher: dict[str, Tensor]
    """Weights of the most accurate quantised network of the finished rounds; empty before there is one."""
    teacher_accuracy: float
    """On the held-out images."""


def save_progress(folder: Path, progress: Progress, purpose: dict[str, Any]) -> None:
    """Write the state of a training; ``purpose`` is its options and data set, which a continuation must share."""
    state = {field.name: getattr(progress, field.name) for field in fields(Progress)}
    write_file(folder / NAME, to_bytes({"format": FORMAT, "version": VERSION, "purpose": purpose, "state": state}))


def load_progress(folder: Path, purpose: dict[str, Any]) -> Progress:
    """Return the state that ``purpose`` continues.

    Errors: E706 nothing to continue, or started with other options; E703 and E704 as for checkpoints.
    """
    path = folder / NAME
    if not path.exists():
        hint = "leave --resume away to start a training in this folder"
        raise refuse("E706", "there is no unfinished training to resume", file=path, hint=hint)
    content = read_dictionary(path, FORMAT, VERSION, "delete it and train again")
    started = content.get("purpose")
    if not isinstance(started, dict) or not isinstance(content.get("state"), dict):
        raise refuse("E703", "the file does not describe a training", file=path, hint="delete it and train again")
    changed = sorted(key for key in {*started, *purpose} if started.get(key) != purpose.get(key))
    if changed:
        was = ", ".join(f"{key} = {started.get(key)}" for key in changed)
        hint = "resume with the options of the start, or train into another folder"
        raise refuse("E706", f"the unfinished training was started with {was}", file=path, hint=hint)
    try:
        return Progress(**content["state"])
    except TypeError as error:
        raise refuse("E703", f"the file lacks a part: {error}", file=path, hint="delete it and train again") from error


def refuse_unfinished(folder: Path) -> None:
    """Raise E706 when a new training would overwrite an unfinished one."""
    path = folder / NAME
    if path.exists():
        hint = "continue it with --resume, choose another folder, or delete the file"
        raise refuse("E706", "the folder holds an unfinished training", file=path, hint=hint)


def remove_progress(folder: Path) -> None:
    """Forget the state of a training that is finished."""
    (folder / NAME).unlink(missing_ok=True)
