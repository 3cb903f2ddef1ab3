"""Whether a training can go on from a checkpoint: same network, same data, same held-out images, a round left."""

from __future__ import annotations

from collections.abc import Iterator

from ...targets.diagnostic import Diagnostic
from ..checkpoint import Checkpoint
from ..datasets.images import DataSet
from .options import TrainingOptions

SPLIT_OPTIONS = ("seed", "held_out")
"""Decide which training images are held out: with others, an epoch would be chosen on images that were trained on."""


def start_problems(options: TrainingOptions, data: DataSet, start: Checkpoint) -> tuple[Diagnostic, ...]:
    """Everything that keeps ``options`` from continuing the checkpoint, as E710."""
    hint = "start from a checkpoint of this network and data set, or leave --start away"
    return tuple(Diagnostic("E710", message, hint=hint) for message in _reasons(options, data, start))


def _reasons(options: TrainingOptions, data: DataSet, start: Checkpoint) -> Iterator[str]:
    record = start.training
    done = [finished.get("round") for finished in record.get("rounds", [])]
    if not done or "history" not in record or not isinstance(record.get("options"), dict):
        yield "the checkpoint has no record of its training"
        return
    rounds = options.rounds()
    if start.network != options.network_spec(data):
        yield f"the checkpoint is a {start.network}, the options ask for {options.network_spec(data)}"
    if record.get("dataset") != data.name:
        yield f"the checkpoint was trained on {record.get('dataset')}, not on {data.name}"
    for name in SPLIT_OPTIONS:
        given, wanted = record["options"].get(name), getattr(options, name)
        if given != wanted:
            yield f"the checkpoint was trained with {name} = {given}, so other images were held out than by {wanted}"
    if done != [current.name for current in rounds[: len(done)]]:
        asked = ", ".join(current.name for current in rounds)
        yield f"the checkpoint's rounds ({', '.join(map(str, done))}) do not begin those asked for ({asked})"
    elif options.teacher == "relu" and len(done) > 1:
        yield "the checkpoint no longer has the ReLU network that the options name as teacher"
    elif len(done) == len(rounds):
        yield "the checkpoint has finished all rounds that the options ask for"
    elif rounds[len(done) - 1].activation != start.activation:
        yield f"the checkpoint has the {start.activation}, the options ask for {rounds[len(done) - 1].activation}"
