"""ImageNet, or any pictures sorted alike: train/CLASS/ and val/CLASS/ with one picture per file, decoded when needed.

These are the folders that torchvision's ImageNet unpacks and that its ImageFolder reads; the development kit is not
needed. Images are 224x224 from the middle of the picture scaled to a shorter side of 256. Training cuts 224x224 from
anywhere in the middle 256x256, mirrored or not (Krizhevsky et al. 2012, section 4.1): gentler than the random resized
crops of later work. The challenge keeps its test labels, so val/ is the test set; what chooses epochs is held out of
train/.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from .images import DataSet, ImageSet
from .lazy_images import LazyImages

SIZE = 224
SHIFT = 16
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What ImageFolder takes for pictures."""
HINT = "the folder must hold train/CLASS/*.JPEG and val/CLASS/*.JPEG with the same class folders in both"


def read_imagenet(folder: Path) -> DataSet:
    """Find the pictures of both parts; none is opened.

    Classes are the names of the class folders, sorted. Files with other endings than pictures have and files that begin
    with a dot are left out; folders in class folders are searched. The data set's name ends in a digest of the files'
    names, so that no training goes on where pictures were added or removed.
    Errors: E701 train or val is missing, E702 classes that differ or are empty, folders that cannot be read.
    """
    missing = [part for part in ("train", "val") if not (folder / part).is_dir()]
    if missing:
        raise refuse("E701", f"ImageNet's folder {' and '.join(missing)} was not found", file=folder, hint=HINT)
    found = {part: _pictures(folder / part) for part in ("train", "val")}
    _refuse_unlike_classes(folder, found)
    classes = tuple(found["train"])
    train, test = (_image_set(folder, part, found[part]) for part in ("train", "val"))
    return DataSet(f"imagenet-{_digest(train, test)}", train, test, classes, shift=SHIFT, flip=True)


def _pictures(part: Path) -> dict[str, list[str]]:
    """Names of the pictures, relative to the part's folder, by class."""
    try:
        classes = sorted(entry.name for entry in os.scandir(part) if entry.is_dir() and entry.name[0] != ".")
        return {name: sorted(_files(part, name)) for name in classes}
    except OSError as error:
        raise refuse("E702", f"the folder cannot be read: {error}", file=part, hint="check its permissions") from error


def _files(part: Path, name: str) -> list[str]:
    def stop(error: OSError) -> None:
        raise error

    beginning = len(os.path.join(part, ""))
    return [
        os.path.join(folder, file)[beginning:]
        for folder, _, files in os.walk(part / name, onerror=stop)
        for file in files
        if file.lower().endswith(ENDINGS) and file[0] != "."
    ]


def _refuse_unlike_classes(folder: Path, found: dict[str, dict[str, list[str]]]) -> None:
    problems = [f"{part} holds no class folders" for part, classes in found.items() if not classes]
    if not problems:
        for part, other in (("train", "val"), ("val", "train")):
            lacking = sorted(found[other].keys() - found[part].keys())
            if lacking:
                problems.append(f"{part} lacks {len(lacking)} classes of {other}, such as {lacking[0]}")
    problems += [
        f"{part}/{name} holds no pictures" for part in found for name, files in found[part].items() if not files
    ]
    if problems:
        raise UnusableInput(Diagnostic("E702", message, Place(file=str(folder)), hint=HINT) for message in problems)


def _image_set(folder: Path, part: str, found: dict[str, list[str]]) -> ImageSet:
    names: npt.NDArray[np.object_] = np.array([file for files in found.values() for file in files], np.object_)
    labels = np.repeat(np.arange(len(found)), [len(files) for files in found.values()])
    return ImageSet(LazyImages(folder / part, names, SIZE, SIZE + 2 * SHIFT), labels.astype(np.int64))


def _digest(*parts: ImageSet) -> str:
    digest = hashlib.sha256()
    for part in parts:
        assert isinstance(part.images, LazyImages)
        digest.update("\0".join(part.images.files).encode(errors="surrogateescape") + b"\0\0")
    return digest.hexdigest()[:8]
