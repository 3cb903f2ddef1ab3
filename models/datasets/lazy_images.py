"""Images that stay in their files and are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..libraries import require_libraries

if TYPE_CHECKING:
    from PIL import Image

ByteImages = npt.NDArray[np.uint8]
Chosen = slice | npt.NDArray[np.int64]

LONGEST_SIDE_RATIO = 100
"""A longer picture would be scaled to gigabytes before it is cropped."""


@dataclass(frozen=True, slots=True, eq=False)
class LazyImages:
    """The middles of pictures in files: (N, 3, size, size) uint8, RGB.

    A picture is scaled until its shorter side has ``scaled_to`` pixels, bilinear, then its middle is cut out, both to
    the byte as torchvision's Resize and CenterCrop do it. Grey, palette and CMYK pictures become RGB. Decoding runs in
    threads; nothing is kept once it is decoded.
    """

    root: Path
    files: npt.NDArray[np.object_]
    """Names of the files, N str relative to ``root``."""
    size: int
    scaled_to: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, rows, columns."""
        return len(self.files), 3, self.size, self.size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: Chosen) -> ByteImages:
        return self.read(chosen)

    def take(self, chosen: Chosen) -> LazyImages:
        """Return the chosen images, still in their files."""
        return replace(self, files=self.files[chosen])

    def read(self, chosen: Chosen, margin: int = 0) -> ByteImages:
        """Decode the chosen images with ``margin`` pixels of the picture around: (N, 3, size + 2 margin, the same).

        ``size`` + 2 ``margin`` is at most ``scaled_to``. Errors: E702 for every file that cannot be decoded.
        """
        require_libraries("PIL")
        side = self.size + 2 * margin
        assert side <= self.scaled_to, "the margin must lie within the scaled picture"
        files = self.files[chosen]
        images = np.empty((len(files), 3, side, side), np.uint8)
        with ThreadPoolExecutor() as threads:
            problems = [problem for problem in threads.map(self._decode, files, images) if problem is not None]
        if problems:
            raise UnusableInput(problems)
        return images

    def read_ahead(self, batches: Sequence[Chosen], margin: int = 0) -> Iterator[ByteImages]:
        """Decode batch after batch like ``read``, the next one while the caller works on the last."""
        before: Future[ByteImages] | None = None
        with ThreadPoolExecutor(1) as reader:
            for batch in batches:
                coming = reader.submit(self.read, batch, margin)
                if before is not None:
                    yield before.result()
                before = coming
            if before is not None:
                yield before.result()

    def _decode(self, name: str, image: ByteImages) -> Diagnostic | None:
        """Fill ``image`` (3, rows, columns), or say why that cannot be done."""
        from PIL import Image

        path = self.root / name
        try:
            with Image.open(path) as picture:
                image[:] = self._middle(picture, image.shape[1]).transpose(2, 0, 1)
        except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            hint = "put the original under this name: a training resumes as long as no file is added or removed"
            return Diagnostic("E702", f"the image cannot be decoded: {error}", Place(file=str(path)), hint=hint)
        return None

    def _middle(self, picture: Image.Image, side: int) -> ByteImages:
        """Pixels (side, side, 3) around the middle of the scaled picture."""
        from PIL import Image

        short, long = sorted(picture.size)
        if long > LONGEST_SIDE_RATIO * short:
            raise ValueError(f"{picture.width} x {picture.height} pixels are too long to be a picture")
        scaled_long = int(self.scaled_to * long / short)
        upright = picture.width <= picture.height
        width, height = (self.scaled_to, scaled_long) if upright else (scaled_long, self.scaled_to)
        scaled = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        margin = (side - self.size) // 2
        left, top = (round((length - self.size) / 2) - margin for length in (width, height))
        return np.asarray(scaled.crop((left, top, left + side, top + side)))
