"""The data sets by name, found in a folder, in a Debian package, or downloaded when that was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...targets.diagnostic import refuse
from ..libraries import require_libraries
from .activity import how_to_get, read_activity
from .cifar import holds_packed_cifar10, read_cifar10, read_cifar100, read_packed_cifar10
from .event_sensor import recorded
from .fashion_mnist import read_fashion_mnist
from .imagenet import HINT as IMAGENET_HINT
from .imagenet import read_imagenet
from .images import DataSet, ImageSet, split
from .imdb import read_imdb
from .speech_commands import read_speech_commands

DATASETS = (
    *("digits", "digits-events", "fashion-mnist", "cifar10", "cifar100", "imagenet"),
    *("activity", "speech-commands", "imdb"),
)
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
DIGITS_TEST_IMAGES = 360
EVENTS_OF_ONE = 15
"""Events at one pixel that are the largest value of an image; a divisor of 255, so that bytes hold whole events."""
OF_FOLDERS: dict[str, Callable[[Path | None], DataSet]] = {
    "activity": read_activity,
    "speech-commands": read_speech_commands,
    "imdb": read_imdb,
}
"""Readers of what is no images, by name."""


def cache_folder() -> Path:
    """Folder for downloaded and decoded data: ``spikec`` in XDG_CACHE_HOME, or in .cache of the home folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikec"


def load_dataset(name: str, folder: Path | None = None, *, download: bool = False) -> DataSet:
    """Return a data set.

    ``digits`` (1x8x8) comes with scikit-learn, and ``digits-events`` (2x16x16, events) is made from
    it; ``fashion-mnist`` (1x28x28) from IDX files in ``folder`` or from
    Debian's package dataset-fashion-mnist; ``cifar10`` (3x32x32) from torchvision's layout (cifar-10-batches-py) or
    packed JPEG files in ``folder``; ``cifar100`` (3x32x32) from torchvision's layout (cifar-100-python); ``imagenet``
    (3x224x224, lazy) from train/CLASS/ and val/CLASS/ in ``folder``. ``download`` lets torchvision fetch Fashion-MNIST
    and both CIFAR into ``folder``, or into the cache folder. ``activity`` (6x1x128, signed, by person) comes with a
    Python package, installed or in ``folder``; ``speech-commands`` (40x1x98 mel bands) and ``imdb`` (4000x1x1 words)
    are in ``folder`` as torchaudio and torchtext have them.
    Errors: E701 not found, E702 damaged, E705 no such data set, E708 library missing, E709 download failed.
    """
    if name not in DATASETS:
        raise refuse("E705", f"there is no data set '{name}'", hint=f"choose one of {', '.join(DATASETS)}")
    if download and name == "imagenet":
        hint = "get it from image-net.org, which asks for an account, and give its folder as --data"
        raise refuse("E709", "ImageNet cannot be downloaded", hint=hint)
    if download and name in OF_FOLDERS:
        hint = how_to_get() if name == "activity" else "get it from its publisher, and give its folder as --data"
        raise refuse("E709", f"{name} cannot be downloaded", hint=hint)
    if folder is not None and not folder.is_dir() and not download:
        raise refuse("E701", "the data folder does not exist", file=folder, hint="check the path given as --data")
    if name == "digits":
        return _digits()
    if name == "digits-events":
        return _digits_events()
    if name == "fashion-mnist":
        return _fashion_mnist(folder, download)
    if name == "imagenet":
        return _imagenet(folder)
    if name in OF_FOLDERS:
        return OF_FOLDERS[name](folder)
    return _cifar(name, folder, download)


def _digits() -> DataSet:
    require_libraries("sklearn")
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    train, test = split(ImageSet(images, digits.target.astype(np.int64)), DIGITS_TEST_IMAGES, seed=0)
    return DataSet("digits", train, test, tuple("0123456789"), shift=1, flip=False)


def _digits_events() -> DataSet:
    digits = _digits()
    train, test = (_recorded(each) for each in (digits.train, digits.test))
    return DataSet("digits-events", train, test, digits.classes, shift=1, flip=False)


def _recorded(digits: ImageSet) -> ImageSet:
    pictures = np.asarray(digits.images[:], dtype=np.uint8)[:, 0]
    recordings = recorded(pictures, EVENTS_OF_ONE)
    counts = recordings.frames(1)[:, 0] * EVENTS_OF_ONE
    images = np.minimum(counts * (255 // EVENTS_OF_ONE), 255).astype(np.uint8)
    return ImageSet(images, digits.labels, recordings=recordings)


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
    return read_fashion_mnist(base)


def _cifar(name: str, folder: Path | None, download: bool) -> DataSet:
    if name == "cifar10" and folder is not None and holds_packed_cifar10(folder):
        return read_packed_cifar10(folder, cache_folder())
    base = folder or cache_folder()
    if download:
        _download({"cifar10": "CIFAR10", "cifar100": "CIFAR100"}[name], base)
    return read_cifar10(base) if name == "cifar10" else read_cifar100(base)


def _imagenet(folder: Path | None) -> DataSet:
    if folder is None:
        raise refuse("E701", "no folder was given for ImageNet", hint=f"give it as --data: {IMAGENET_HINT}")
    return read_imagenet(folder)


def _download(name: str, folder: Path) -> None:
    require_libraries("torchvision")
    import torchvision.datasets

    offered: Callable[..., object] = getattr(torchvision.datasets, name)
    try:
        offered(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        hint = "check the network, or fetch the files by other means and give their folder as --data"
        raise refuse("E709", f"{name} could not be downloaded: {error}", file=folder, hint=hint) from error
