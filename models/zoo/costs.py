"""What the networks of a zoo cost to train, with all that each starts from: epochs, and seconds of one processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from ...targets.records import dataclass
from ..training.results import RECORD_NAME
from ..training.timing import NAME as SECONDS_NAME
from .listing import Entry, Zoo


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one network, with those that it starts from: ``epochs`` on the training images, and their ``seconds``.

    Both are means over the seeds that a folder holds it for, ``seconds`` None where they were not kept. A calibration
    of weights adds none of either: it takes a thousand images.
    """

    name: str
    seeds: int
    epochs: float
    seconds: float | None


def costs(zoo: Zoo, folder: Path) -> tuple[Cost, ...]:
    """Cost of every network of ``zoo`` that ``train_zoo`` has finished in ``folder``, in the zoo's order."""
    known = {entry.name: entry for entry in zoo.entries}
    found = []
    for entry in zoo.entries:
        chain = tuple(_chain(entry, known))
        seeds = [folder / f"seed-{s}" for s in zoo.seeds if (folder / f"seed-{s}" / entry.name / RECORD_NAME).is_file()]
        if seeds:
            seconds = [_seconds(seed, chain) for seed in seeds]
            kept = [each for each in seconds if each is not None]
            epochs = fmean(_epochs(seed / entry.name) for seed in seeds)
            found.append(Cost(entry.name, len(seeds), epochs, fmean(kept) if len(kept) == len(seeds) else None))
    return tuple(found)


def _chain(entry: Entry, known: dict[str, Entry]) -> Iterator[Entry]:
    yield entry
    if entry.start is not None:
        yield from _chain(known[entry.start], known)


def _epochs(network: Path) -> int:
    rounds = json.loads((network / RECORD_NAME).read_text(encoding="utf-8"))["rounds"]
    return sum(int(each["epochs"]) for each in rounds)


def _seconds(seed: Path, chain: Sequence[Entry]) -> float | None:
    files = [seed / entry.name / SECONDS_NAME for entry in chain if not entry.calibrate]
    if not all(file.is_file() for file in files):
        return None
    lines = (line for file in files for line in file.read_text(encoding="utf-8").splitlines())
    return sum(float(json.loads(line)["seconds"]) for line in lines)
