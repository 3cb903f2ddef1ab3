"""Trains the networks of a zoo that a folder does not hold yet, and goes on with the one that was interrupted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from ...runtime.progress import Report as Progress
from ...runtime.shards import HERE, Shard, Workers, run_shards
from ...targets.diagnostic import Diagnostic, UnusableInput, refuse
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
from .named_lines import NamedLines


@dataclass(frozen=True, slots=True)
class Trained:
    """A network of a zoo with its ``folder``; ``was_there`` before."""

    name: str
    seed: int
    folder: Path
    was_there: bool


def train_zoo(
    zoo: Zoo,
    data: DataSet,
    folder: Path,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    device: str = "auto",
    workers: Workers = HERE,
    progress: Progress | None = None,
) -> Iterator[Trained]:
    """Train each missing network into ``folder``/seed-N/NAME, yielding all in the zoo's order as they are there.

    ``only`` names networks (with those they start from), ``seeds`` are some of the zoo's, by default all of both.
    An interrupted training is continued. ``workers`` train side by side what needs none of the others, on one thread
    each, into a folder that all of them see; ``progress`` counts what they finish. How many there are changes no byte.
    Errors: E711 unknown names, seeds or options; E775 a folder that a worker does not share; those of `train` and
    `run_shards`.
    """
    entries = zoo.needed_for(tuple(only)) if only else zoo.entries
    problems = (*_unknown_seeds(zoo, seeds), *_unknown_options(entries))
    if problems:
        raise UnusableInput(problems)
    wanted = [_Training(entry, seed) for seed in seeds or zoo.seeds for entry in entries]
    missing = {each.name: each for each in wanted if not (each.folder(folder) / CHECKPOINT_NAME).is_file()}
    shards = [Shard(name, each, after=each.after(missing)) for name, each in missing.items()]
    trainer = _Trainer(data, folder, device, beside_others=workers != HERE)
    unfinished = dict(missing)
    with closing(run_shards(trainer.train, shards, workers)) as trained:
        for each in wanted:
            while each.name in unfinished:
                shard, _ = next(trained)
                unfinished.pop(shard.name)
                _require_shared(shard.given.folder(folder), workers)
                if progress is not None:
                    progress(len(missing) - len(unfinished), len(missing))
            yield Trained(each.entry.name, each.seed, each.folder(folder), each.name not in missing)


def _require_shared(folder: Path, workers: Workers) -> None:
    if workers.cluster is not None and not (folder / CHECKPOINT_NAME).is_file():
        hint = "give as -o a folder of a file system that every machine has under the same path"
        raise refuse(
            "E775", "a worker has trained the network, and this machine sees no file of it", file=folder, hint=hint
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Training:
    """A network of a zoo by one seed."""

    entry: Entry
    seed: int

    @property
    def name(self) -> str:
        return f"seed {self.seed}, {self.entry.name}"

    def folder(self, root: Path) -> Path:
        return root / f"seed-{self.seed}" / self.entry.name

    def after(self, missing: Mapping[str, _Training]) -> tuple[str, ...]:
        """Name the training that this one starts from, where it is still to be done."""
        start = f"seed {self.seed}, {self.entry.start}"
        return (start,) if start in missing else ()


@dataclass(frozen=True, slots=True, eq=False)
class _Trainer:
    """What all trainings share; ``beside_others`` their lines on stderr begin with the network's name."""

    data: DataSet
    root: Path
    device: str
    beside_others: bool

    def train(self, training: _Training) -> None:
        """Train one network into its folder, unless it is there."""
        if not self.beside_others:
            sys.stderr.write(f"{training.name}\n")
            self._make(training)
            return
        with contextlib.redirect_stderr(NamedLines(sys.stderr, training.name)):
            self._make(training)

    def _make(self, training: _Training) -> None:
        entry, target = training.entry, training.folder(self.root)
        started = None if entry.start is None else target.parent / entry.start
        if entry.calibrate:
            assert started is not None, "a zoo's calibrations have a start"
            calibrate_network(started / CHECKPOINT_NAME, target, WeightCalibration(**entry.options, seed=training.seed))
            return
        train(
            TrainingOptions(**entry.options, seed=training.seed),
            self.data,
            target,
            start=None if started is None else load_checkpoint(started / CHECKPOINT_NAME),
            resume=(target / PROGRESS_NAME).is_file(),
            device=self.device,
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
