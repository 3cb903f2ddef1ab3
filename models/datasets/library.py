"""The data sets by name, found in a folder, in a Debian package, or downloaded when that was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...targets.diagnostic import refuse
from ..libraries import require_libraries
from .idx import read_idx
from .images import DataSet, ImageSet, split
from .packed_jpeg import read_packed_jpeg

DATASETS = ("digits", "fashion-mnist", "cifar10")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS_TEST_IMAGES = 360


def cache_folder() -> Path:
    """Folder for downloaded and decoded data: ``spikec`` in XDG_CACHE_HOME, or in .cache of the home folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikec"


def load_dataset(name: str, folder: Path | None = None, *, download: bool = False) -> DataSet:
    """Return a data set.

    ``digits`` (1x8x8) comes with scikit-learn; ``fashion-mnist`` (1x28x28) from IDX files in ``folder`` or from
    Debian's package dataset-fashion-mnist; ``cifar10`` (3x32x32) from torchvision's layout or packed JPEG files in
    ``folder``. ``download`` lets torchvision fetch the latter two into ``folder``, or into the cache folder.
    Errors: E701 not found, E702 damaged, E705 no such data set, E708 library missing, E709 download failed.
    """
    if name not in DATASETS:
        raise refuse("E705", f"there is no data set '{name}'", hint=f"choose one of {', '.join(DATASETS)}")
    if folder is not None and not folder.is_dir() and not download:
        raise refuse("E701", "the data folder does not exist", file=folder, hint="check the path given as --data")
    if name == "digits":
        return _digits()
    if name == "fashion-mnist":
        return _fashion_mnist(folder, download)
    return _cifar10(folder, download)


def _digits() -> DataSet:
    require_libraries("sklearn")
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    train, test = split(ImageSet(images, digits.target.astype(np.int64)), DIGITS_TEST_IMAGES, seed=0)
    return DataSet("digits", train, test, tuple("0123456789"), shift=1, flip=False)


def _fashion_mnist(folder: Path | None, download: bool) -> DataSet:
    base = folder
    if base is None and not download and DEBIAN_FASHION_MNIST.is_dir():
        base = DEBIAN_FASHION_MNIST
    if download:
        base = folder or cache_folder()
        _download("FashionMNIST", base)
    if base is None:
        hint = "give its folder as --data, allow --download, or install Debian's package dataset-fashion-mnist"
        raise refuse("E701", "Fashion-MNIST was not found", hint=hint)
    torchvision_layout = base / "FashionMNIST" / "raw"
    found = torchvision_layout if torchvision_layout.is_dir() else base
    return DataSet(
        "fashion-mnist",
        _idx_pair(found, "train"),
        _idx_pair(found, "t10k"),
        FASHION_CLASSES,
        shift=2,
        flip=True,
    )


def _idx_pair(folder: Path, stem: str) -> ImageSet:
    image_file, label_file = (_idx_file(folder, f"{stem}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels) or not len(images):
        message = f"{len(images)} images do not go with {len(labels)} labels"
        raise refuse("E702", message, file=label_file, hint="fetch both files again")
    if images.shape[1:] != (28, 28) or labels.max() >= len(FASHION_CLASSES):
        message = f"images of shape {images.shape[1:]} with labels up to {labels.max()} are not Fashion-MNIST"
        raise refuse("E702", message, file=image_file, hint="check the path given as --data")
    return ImageSet(images[:, None], labels.astype(np.int64))


def _idx_file(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    hint = f"the folder must hold {name} or {name}.gz"
    raise refuse("E701", f"{name} was not found", file=folder, hint=hint)


def _cifar10(folder: Path | None, download: bool) -> DataSet:
    if folder is not None and (folder / "train.npz").is_file():
        train, test = (_packed_cifar10(folder / f"{part}.npz") for part in ("train", "test"))
        return DataSet("cifar10-jpeg", train, test, CIFAR10_CLASSES, shift=4, flip=True)
    base = folder or cache_folder()
    if download:
        _download("CIFAR10", base)
    if not (base / "cifar-10-batches-py").is_dir():
        hint = "the folder must hold cifar-10-batches-py, or train.npz and test.npz of packed JPEG files; or --download"
        raise refuse("E701", "CIFAR-10 was not found", file=base, hint=hint)
    train, test = (_torchvision_cifar10(base, training) for training in (True, False))
    return DataSet("cifar10", train, test, CIFAR10_CLASSES, shift=4, flip=True)


def _packed_cifar10(path: Path) -> ImageSet:
    if not path.is_file():
        raise refuse("E701", f"{path.name} was not found", file=path.parent, hint="train.npz and test.npz go together")
    return read_packed_jpeg(path, 32, len(CIFAR10_CLASSES), cache_folder())


def _torchvision_cifar10(base: Path, training: bool) -> ImageSet:
    require_libraries("torchvision")
    from torchvision.datasets import CIFAR10

    try:
        # torchvision compares checksums before it unpickles, so a foreign file is never executed.
        part = CIFAR10(str(base), train=training)
    except (OSError, RuntimeError, EOFError) as error:
        hint = "a file is missing or its checksum is wrong: fetch CIFAR-10 again (python version), or use --download"
        raise refuse("E702", f"torchvision does not accept the files: {error}", file=base, hint=hint) from error
    images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
    return ImageSet(images, np.asarray(part.targets, np.int64))


def _download(name: str, folder: Path) -> None:
    require_libraries("torchvision")
    import torchvision.datasets

    offered: Callable[..., object] = getattr(torchvision.datasets, name)
    try:
        offered(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        hint = "check the network, or fetch the files by other means and give their folder as --data"
        raise refuse("E709", f"{name} could not be downloaded: {error}", file=folder, hint=hint) from error
