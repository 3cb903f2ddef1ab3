"""Reader of image sets stored as one JPEG per image, end to end in an .npz file.

Keys: ``jpeg`` uint8 (the bytes of all files), ``offsets`` int64 (N+1; file i is jpeg[offsets[i]:offsets[i+1]]),
``labels`` uint8 (N,). Decoding is slow, so the decoded array is kept in a cache folder.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from ...runtime.program.archive import DamagedArchive, read_archive
from ...runtime.program.artefact import write_file
from ...runtime.progress import progress_bar
from ...targets.diagnostic import refuse
from ..libraries import require_libraries
from .images import ImageSet
from .lazy_images import ByteImages

KEYS = ("jpeg", "offsets", "labels")


def read_packed_jpeg(path: Path, size: int, classes: int, cache: Path) -> ImageSet:
    """Return all images, RGB and ``size`` pixels square; E702 names the first image that is not."""
    arrays = _arrays(path)
    labels = arrays["labels"].astype(np.int64)
    if len(labels) and labels.max() >= classes:
        raise refuse(
            "E702",
            f"label {labels.max()} is outside 0..{classes - 1}",
            file=path,
            hint="the file is of another data set: check the path",
        )
    decoded = cache / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.npy"
    images = _cached(decoded, (len(labels), 3, size, size))
    if images is None:
        images = _decode(path, arrays, size)
        write_file(decoded, _npy_bytes(images))
    return ImageSet(images, labels)


def _arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        stored = read_archive(path, KEYS)
        arrays = {key: stored[key] for key in KEYS}
    except (OSError, KeyError, DamagedArchive) as error:
        hint = f"it must be an .npz file with the keys {', '.join(KEYS)}: fetch it again if it is truncated"
        raise refuse("E702", f"the packed images cannot be read: {error}", file=path, hint=hint) from error
    jpeg, offsets, labels = (arrays[key] for key in KEYS)
    whole = all(np.issubdtype(array.dtype, np.integer) and array.ndim == 1 for array in (jpeg, offsets, labels))
    if not whole or len(offsets) != len(labels) + 1 or not _tiles(offsets.astype(np.int64), len(jpeg)):
        hint = "offsets rise from 0 to the number of bytes, one more than there are labels: fetch the file again"
        raise refuse("E702", "the packed images do not fit their offsets and labels", file=path, hint=hint)
    return arrays


def _tiles(offsets: npt.NDArray[np.int64], length: int) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == length and (np.diff(offsets) > 0).all())


def _decode(path: Path, arrays: dict[str, npt.NDArray[np.generic]], size: int) -> ByteImages:
    require_libraries("PIL")
    from PIL import Image

    content, offsets = arrays["jpeg"].astype(np.uint8).tobytes(), arrays["offsets"].astype(np.int64)
    images = np.empty((len(offsets) - 1, 3, size, size), np.uint8)
    with progress_bar(f"decode {path.name}") as progress:
        for index, image in enumerate(images):
            try:
                with Image.open(io.BytesIO(content[offsets[index] : offsets[index + 1]])) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                image[:] = pixels.transpose(2, 0, 1)
            except (OSError, ValueError, SyntaxError) as error:
                hint = f"every image must be a JPEG of {size} x {size} pixels: fetch the file again"
                raise refuse("E702", f"image {index} cannot be decoded: {error}", file=path, hint=hint) from error
            progress(index + 1, len(images))
    return images


def _cached(path: Path, shape: tuple[int, ...]) -> ByteImages | None:
    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return cast(ByteImages, images) if images.shape == shape and images.dtype == np.uint8 else None


def _npy_bytes(images: ByteImages) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, images)
    return buffer.getvalue()
