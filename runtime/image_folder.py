"""A folder of images as a data file, laid out as torchvision's ImageFolder: ``FOLDER/CLASS/*.png``.

Classes are the names of the folders, sorted; samples are sorted by class and name. Where a model takes one channel
images become grey (ITU-R 601), where it takes three they become RGB; their size is not changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ..targets.libraries import install_command
from .program import IntArray, Shape

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".webp")
_MODES = {1: "L", 3: "RGB"}
"""Pillow's name for images of so many channels."""
_NARROW = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")
"""Modes of at most 8 bits per channel."""
_LISTED = 20

Bytes = npt.NDArray[np.uint8]


def read_image_folder(folder: Path, shape: Shape) -> tuple[Bytes, IntArray]:
    """Images (N, *shape) uint8 of ``folder`` and the number of each one's class (N,).

    ``shape`` is the model's (channels, rows, columns), (rows, columns, channels), or (rows, columns).

    Errors: E708 without pillow, E712 with every image that is damaged, of another size, or of more than 8 bits, and
    for a folder that holds no images by class.
    """
    layout = _layout(folder, shape)
    files, labels = _listed(folder)
    _require_pillow()
    images = np.empty((len(files), *shape), dtype=np.uint8)
    found = []
    for place, file in enumerate(files):
        read = _image(file, layout)
        if isinstance(read, str):
            found.append(Diagnostic("E712", read, Place(file=str(file)), hint=_hint(layout)))
        else:
            images[place] = read.reshape(shape) if layout.last else read.transpose(2, 0, 1).reshape(shape)
    if found:
        raise UnusableInput(_shortened(found, folder))
    return images, labels


class _Layout:
    """How an image of the model's ``shape`` lies in memory: ``last`` where channels come last."""

    def __init__(self, channels: int, rows: int, columns: int, *, last: bool) -> None:
        self.channels, self.rows, self.columns, self.last = channels, rows, columns, last


def _layout(folder: Path, shape: Shape) -> _Layout:
    if len(shape) == 2:
        return _Layout(1, *shape, last=True)
    if len(shape) == 3 and shape[0] in _MODES:
        return _Layout(*shape, last=False)
    if len(shape) == 3 and shape[2] in _MODES:
        rows, columns, channels = shape
        return _Layout(channels, rows, columns, last=True)
    what = "x".join(map(str, shape))
    hint = "give the data as an .npz file"
    raise refuse(
        "E712", f"the model takes {what} per sample, which is no image of one or three channels", file=folder, hint=hint
    )


def _listed(folder: Path) -> tuple[list[Path], IntArray]:
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    by_class = [sorted(p for p in each.rglob("*") if p.suffix.lower() in SUFFIXES) for each in classes]
    empty = [each.name for each, files in zip(classes, by_class, strict=True) if not files]
    hint = f"lay images out as FOLDER/CLASS/IMAGE, of {', '.join(SUFFIXES)}, or give an .npz file"
    if not any(by_class):
        raise refuse("E712", "the folder holds no folders with images, one for each class", file=folder, hint=hint)
    if empty:
        # The numbers of all classes behind an empty one would be others than in training.
        raise refuse("E712", f"there are no images of the classes {', '.join(empty)}", file=folder, hint=hint)
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in by_class])
    return [file for files in by_class for file in files], labels.astype(np.int64)


def _require_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise refuse("E708", "pillow is not installed, which reads images", hint=install_command("pillow")) from error


def _image(file: Path, layout: _Layout) -> npt.NDArray[Any] | str:
    """Bytes (rows, columns, channels) of an image, or what is wrong with it."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode not in _NARROW:
                return f"the image has more than 8 bits per channel (mode {image.mode})"
            if image.size != (layout.columns, layout.rows):
                columns, rows = image.size
                return f"the image has {rows}x{columns} pixels, the model takes {layout.rows}x{layout.columns}"
            pixels = np.asarray(image.convert(_MODES[layout.channels]))
    except Exception as error:  # pillow's decoders raise what they like on damaged bytes
        reason = str(error).replace(str(file), file.name).strip().split("\n")[0] or type(error).__name__
        return f"the image cannot be read ({reason[:200]})"
    return pixels.reshape(layout.rows, layout.columns, layout.channels)


def _hint(layout: _Layout) -> str:
    return f"save images of {layout.rows}x{layout.columns} pixels and 8 bits, or take this one out"


def _shortened(found: list[Diagnostic], folder: Path) -> list[Diagnostic]:
    """The first of many, and how many more there are."""
    rest = len(found) - _LISTED
    if rest <= 0:
        return found
    more = Diagnostic("E712", f"{rest} more images cannot be used", Place(file=str(folder)), hint=found[0].hint)
    return [*found[:_LISTED], more]
