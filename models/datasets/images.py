"""What every data set is once it is found: byte images, in memory or in their files, labels and a fixed split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from .lazy_images import ByteImages, Chosen, LazyImages

Images = ByteImages | LazyImages
"""(N, channels, rows, columns) uint8. Both have ``shape`` and ``len``, and give an array for a slice or indices."""
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """``images`` (N, channels, rows, columns) uint8, to be scaled by 1/255, and ``labels`` (N,) int64.

    Images that do not fit into memory are ``LazyImages``: index them batch by batch.
    """

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Chosen) -> ImageSet:
        """Return the chosen images with their labels; lazy ones stay in their files."""
        images = self.images.take(chosen) if isinstance(self.images, LazyImages) else self.images[chosen]
        return ImageSet(images, self.labels[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """A training and a test set, with what light augmentation leaves the class of an image unchanged."""

    name: str
    """What records call it; a training goes on only with a data set of the same name."""
    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    shift: int
    """Largest shift in pixels, both ways, rows and columns. Lazy images can be read with this margin."""
    flip: bool
    """Mirroring left to right keeps the class."""

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.train.images.shape[1])

    @property
    def size(self) -> int:
        """Rows of an image, and columns."""
        return int(self.train.images.shape[2])


def split(images: ImageSet, held_out: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Divide at random into the larger rest and ``held_out`` images; the same seed gives the same split."""
    order = np.random.default_rng(seed).permutation(len(images))
    return images.take(np.sort(order[held_out:])), images.take(np.sort(order[:held_out]))
