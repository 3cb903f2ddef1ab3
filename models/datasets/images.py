"""What every data set is once it is found: maps of bytes, in memory or in their files, labels and a fixed split.

A map is an image, or a signal of several channels over time as a map of one row: all are called images here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...runtime.recordings import EventRecordings
from ...targets.records import dataclass
from .lazy_images import ByteImages, Chosen, LazyImages

SignedBytes = npt.NDArray[np.int8]
Images = ByteImages | SignedBytes | LazyImages
"""(N, channels, rows, columns) in 8 bits. All have ``shape`` and ``len``, and give an array for slices or indices."""
Labels = npt.NDArray[np.int64]
Groups = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """``images`` (N, channels, rows, columns) and ``labels`` (N,) int64.

    Images are uint8, to be scaled by 1/255, or of a signal with a sign int8, to be scaled by 1/128. Those that do not
    fit into memory are ``LazyImages``: index them batch by batch.
    """

    images: Images
    labels: Labels
    groups: Groups | None = None
    """(N,): whom an image is of, where those of one person are too alike to be divided; None: each stands alone."""
    recordings: EventRecordings | None = None
    """What images are the mean over time of, where a sensor recorded events; files then hold these."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Chosen) -> ImageSet:
        """Return the chosen images with their labels; lazy ones stay in their files."""
        images = self.images.take(chosen) if isinstance(self.images, LazyImages) else self.images[chosen]
        groups = None if self.groups is None else self.groups[chosen]
        recordings = None if self.recordings is None else self.recordings.part(np.asarray(chosen))
        return ImageSet(images, self.labels[chosen], groups, recordings)


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
    validation: ImageSet | None = None
    """What the publisher sets aside for choosing epochs; None where a share of ``train`` is held out for it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        channels, rows, columns = self.train.images.shape[1:]
        return channels, rows, columns

    @property
    def signed(self) -> bool:
        """Whether images are int8."""
        return not isinstance(self.train.images, LazyImages) and self.train.images.dtype == np.int8


def split(images: ImageSet, held_out: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Divide at random into the larger rest and ``held_out`` images; the same seed gives the same split.

    Groups stay whole: the same share of them is held out, at least one, and as near as that comes to ``held_out``.
    """
    random = np.random.default_rng(seed)
    if images.groups is None:
        order = random.permutation(len(images))
        return images.take(np.sort(order[held_out:])), images.take(np.sort(order[:held_out]))
    groups = np.unique(images.groups)
    count = max(1, round(len(groups) * held_out / len(images)))
    is_held_out = np.isin(images.groups, random.permutation(groups)[:count])
    return images.take(np.flatnonzero(~is_held_out)), images.take(np.flatnonzero(is_held_out))
