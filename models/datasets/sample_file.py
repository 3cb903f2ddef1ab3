"""Sample files of the command line: ``inputs`` uint8 (N, channels, rows, columns) and ``labels`` (N,) in an .npz.

Where images were made from events, the events are in it instead.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .images import ImageSet
from .lazy_images import LazyImages

TEST_SAMPLE = 1000
"""Images of a lazy test set that a file holds: all of ImageNet's would take 7.5 GB."""


def draw(images: ImageSet, count: int, seed: int) -> ImageSet:
    """Return ``count`` different images (all, when there are fewer) drawn with a seed, in drawn order."""
    return images.take(np.random.default_rng(seed).permutation(len(images))[:count])


def written_test_set(images: ImageSet) -> ImageSet:
    """Return what a file of test images holds: all, of lazy ones the same 1000 drawn at random in every training."""
    return draw(images, TEST_SAMPLE, seed=0) if isinstance(images.images, LazyImages) else images


def sample_file(images: ImageSet) -> bytes:
    """Return the bytes of a sample file; equal images give equal bytes."""
    given = {"inputs": images.images[:]} if images.recordings is None else images.recordings.arrays()
    return npz_bytes({**given, "labels": images.labels})


def npz_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return the bytes of a compressed .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
