"""Where trained networks lie: folders as ``spikec train`` and ``spikec zoo`` write them, below one that is given.

The folder of a network is named after it, ``resnet20`` or a zoo's ``cifar10-resnet20-100``, and holds a training
(model.onnx, calibration.npz, test.npz, model.pt) or, as a zoo does, trainings named after seed and network. One beside
it may have been trained with a price on spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PRICED = "-rate-penalty"
"""What a network's name ends in where its training had a price on spikes; so does its folder's."""

_PLACES = (".", "qcfs", "seed-0/qcfs")
_NEEDED = ("model.onnx", "calibration.npz", "test.npz")
_TWIN = Path("relu", "model.onnx")


@dataclass(frozen=True, slots=True)
class Training:
    """A trained network's files; ``checkpoint`` and ``relu``, the one with plain ReLUs, only where they are there."""

    model: Path
    calibration: Path
    test: Path
    checkpoint: Path | None
    relu: Path | None


def training_of(name: str, folder: Path) -> Training | None:
    """The training of the network ``name`` below ``folder``, the first by name if there are several; None if none."""
    for place in _folders_of(name, folder):
        if all((place / file).is_file() for file in _NEEDED):
            twin = place.resolve().parent / _TWIN
            checkpoint = place / "model.pt"
            model, calibration, test = (place / file for file in _NEEDED)
            return Training(
                model,
                calibration,
                test,
                checkpoint if checkpoint.is_file() else None,
                twin if twin.is_file() else None,
            )
    return None


def _folders_of(name: str, folder: Path) -> list[Path]:
    plain = name.removesuffix(PRICED)
    named = sorted(one for one in folder.iterdir() if one.is_dir() and plain in one.name.split("-"))
    places = _PLACES if plain == name else [f"{place}{PRICED}" for place in _PLACES[1:]]
    return [one / place for one in named for place in places]
