"""CIFAR-10 and CIFAR-100 (3x32x32) in torchvision's layout, and CIFAR-10 as packed JPEG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...targets.diagnostic import refuse
from ..libraries import require_libraries
from .images import DataSet, ImageSet
from .packed_jpeg import read_packed_jpeg

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cifar10(folder: Path) -> DataSet:
    """Read ``folder``/cifar-10-batches-py; E701, E702, E708."""
    return _read("cifar10", "CIFAR10", "CIFAR-10", folder)


def read_cifar100(folder: Path) -> DataSet:
    """Read ``folder``/cifar-100-python with its hundred fine classes; E701, E702, E708."""
    return _read("cifar100", "CIFAR100", "CIFAR-100", folder)


def holds_packed_cifar10(folder: Path) -> bool:
    """Whether the folder is one for ``read_packed_cifar10``."""
    return (folder / "train.npz").is_file()


def read_packed_cifar10(folder: Path, cache: Path) -> DataSet:
    """Read train.npz and test.npz of packed JPEG files, decoded into ``cache``; E701, E702, E615, E708."""
    train, test = (_packed(folder / f"{part}.npz", cache) for part in ("train", "test"))
    return DataSet("cifar10-jpeg", train, test, CIFAR10_CLASSES, shift=4, flip=True)


def _packed(path: Path, cache: Path) -> ImageSet:
    if not path.is_file():
        raise refuse("E701", f"{path.name} was not found", file=path.parent, hint="train.npz and test.npz go together")
    return read_packed_jpeg(path, 32, len(CIFAR10_CLASSES), cache)


def _read(name: str, reader: str, title: str, folder: Path) -> DataSet:
    require_libraries("torchvision")
    import torchvision.datasets

    offered = getattr(torchvision.datasets, reader)
    if not (folder / offered.base_folder).is_dir():
        packed = ", or train.npz and test.npz of packed JPEG files" if name == "cifar10" else ""
        hint = f"the folder must hold {offered.base_folder}{packed}; or let --download fetch it"
        raise refuse("E701", f"{title} was not found", file=folder, hint=hint)
    try:
        # torchvision compares checksums before it unpickles, so a foreign file is never executed.
        train, test = (offered(str(folder), train=training) for training in (True, False))
    except (OSError, RuntimeError, EOFError) as error:
        hint = f"a file is missing or its checksum is wrong: fetch {title} again (python version), or use --download"
        raise refuse("E702", f"torchvision does not accept the files: {error}", file=folder, hint=hint) from error
    return DataSet(name, _image_set(train), _image_set(test), tuple(train.classes), shift=4, flip=True)


def _image_set(part: Any) -> ImageSet:
    images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
    return ImageSet(images, np.asarray(part.targets, np.int64))
