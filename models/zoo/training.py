"""Trains the networks of a zoo that a folder does not hold yet, and goes on with the one that was interrupted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from ...targets.diagnostic import Diagnostic, UnusableInput
from ...targets.records import dataclass
from ..calibration.calibrated_network import calibrate_network
from ..calibration.weight_calibration import WeightCalibration
from ..checkpoint import load_checkpoint
from ..datasets.images import DataSet
from ..training.options import TrainingOptions
from ..training.progress_file import NAME as PROGRESS_NAME
from ..training.results import CHECKPOINT_NAME
from ..training.training import train
from .listing import Entry, Zoo


@dataclass(frozen=True, slots=True)
class Trained:
    """A network of a zoo with its ``folder``; ``was_there`` before."""

    name: str
    seed: int
    folder: Path
    was_there: bool


def train_zoo(
    zoo: Zoo, data: DataSet, folder: Path, *, only: Sequence[str] = (), seeds: Sequence[int] = (), device: str = "auto"
) -> Iterator[Trained]:
    """Train each missing network into ``folder``/seed-N/NAME, yielding it when it is there.

    ``only`` names networks (with those they start from), ``seeds`` are some of the zoo's, by default all of both.
    An interrupted training is continued. Errors: E711 unknown names, seeds or options; those of `train`.
    """
    entries = zoo.needed_for(tuple(only)) if only else zoo.entries
    problems = (*_unknown_seeds(zoo, seeds), *_unknown_options(entries))
    if problems:
        raise UnusableInput(problems)
    for seed in seeds or zoo.seeds:
        for entry in entries:
            own = folder / f"seed-{seed}"
            was_there = (own / entry.name / CHECKPOINT_NAME).is_file()
            if not was_there:
                sys.stderr.write(f"seed {seed}, {entry.name}\n")
                _make(entry, seed, data, own, device)
            yield Trained(entry.name, seed, own / entry.name, was_there)


def _make(entry: Entry, seed: int, data: DataSet, folder: Path, device: str) -> None:
    target = folder / entry.name
    started = None if entry.start is None else folder / entry.start
    if entry.calibrate:
        assert started is not None, "a zoo's calibrations have a start"
        calibrate_network(started / CHECKPOINT_NAME, target, WeightCalibration(**entry.options, seed=seed))
        return
    train(
        TrainingOptions(**entry.options, seed=seed),
        data,
        target,
        start=None if started is None else load_checkpoint(started / CHECKPOINT_NAME),
        resume=(target / PROGRESS_NAME).is_file(),
        device=device,
    )


def _unknown_seeds(zoo: Zoo, seeds: Sequence[int]) -> tuple[Diagnostic, ...]:
    hint = f"choose from {', '.join(map(str, zoo.seeds))}"
    return tuple(
        Diagnostic("E711", f"the zoo has no seed {seed}", hint=hint) for seed in seeds if seed not in zoo.seeds
    )


def _unknown_options(entries: Sequence[Entry]) -> tuple[Diagnostic, ...]:
    found = []
    for entry in entries:
        known = [f.name for f in fields(WeightCalibration if entry.calibrate else TrainingOptions)]
        found += [
            Diagnostic("E711", f"network '{entry.name}' has the unknown option '{option}'", hint=", ".join(known))
            for option in entry.options
            if option not in known
        ]
        missing = {"timesteps"} if entry.calibrate else {"network", "activation"}
        found += [
            Diagnostic("E711", f"network '{entry.name}' lacks the option '{option}'", hint="add it to its table")
            for option in sorted(missing - set(entry.options))
        ]
    return tuple(found)
