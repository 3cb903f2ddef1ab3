"""Fashion-MNIST (1x28x28, ten classes) from its four IDX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...targets.diagnostic import refuse
from .idx import read_idx
from .images import DataSet, ImageSet

CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def read_fashion_mnist(folder: Path) -> DataSet:
    """Read the files, plain or gzipped, in ``folder`` or where torchvision keeps them in it; E701, E702."""
    torchvision_layout = folder / "FashionMNIST" / "raw"
    found = torchvision_layout if torchvision_layout.is_dir() else folder
    train, test = (_pair(found, stem) for stem in ("train", "t10k"))
    return DataSet("fashion-mnist", train, test, CLASSES, shift=2, flip=True)


def _pair(folder: Path, stem: str) -> ImageSet:
    image_file, label_file = (_file(folder, f"{stem}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels) or not len(images):
        message = f"{len(images)} images do not go with {len(labels)} labels"
        raise refuse("E702", message, file=label_file, hint="fetch both files again")
    if images.shape[1:] != (28, 28) or labels.max() >= len(CLASSES):
        message = f"images of shape {images.shape[1:]} with labels up to {labels.max()} are not Fashion-MNIST"
        raise refuse("E702", message, file=image_file, hint="check the path given as --data")
    return ImageSet(images[:, None], labels.astype(np.int64))


def _file(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    hint = f"the folder must hold {name} or {name}.gz"
    raise refuse("E701", f"{name} was not found", file=folder, hint=hint)
