"""What boxes of neurons along the axes of a map hold and read, for every size of the boxes at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...runtime.program import IntArray

BoolArray = npt.NDArray[np.bool_]
Map = tuple[int, int, int]
Sizes = tuple[IntArray, IntArray, IntArray]
"""Box sizes per axis (channels, rows, columns)."""


def tile_sizes(length: int, most: int | None = None) -> IntArray:
    """Box sizes worth trying along an axis, ascending: one for each different number of boxes.

    At most ``most`` of them, 1 and the whole axis among them, spaced evenly in their logarithm.
    """
    boxes = np.arange(1, length + 1)
    sizes = np.unique(-(-length // boxes))
    if most is None or len(sizes) <= most:
        return np.asarray(sizes)
    wanted = np.geomspace(1, length, max(most, 2))
    nearest = np.abs(np.log(sizes)[:, None] - np.log(wanted)).argmin(axis=0)
    return np.asarray(sizes[np.unique(nearest)])


def starts(length: int, size: int) -> IntArray:
    """First index of each box of ``size`` along an axis."""
    return np.arange(0, length, size, dtype=np.int64)


def boxes_reading(reads: BoolArray, size: int) -> IntArray:
    """For each source index, the number of boxes of ``size`` target indices that read it."""
    return np.asarray(np.logical_or.reduceat(reads, starts(len(reads), size), axis=0).sum(axis=0, dtype=np.int64))


def most_sources(reads: BoolArray, sizes: IntArray) -> IntArray:
    """Most source indices that a box of target indices reads together, for each box size."""
    packed = np.packbits(reads, axis=1)
    all_read = int(reads.any(axis=0).sum())
    most = np.full(len(sizes), all_read, dtype=np.int64)
    for i, size in enumerate(sizes):
        together = np.bitwise_or.reduceat(packed, starts(len(reads), int(size)), axis=0)
        most[i] = np.unpackbits(together, axis=1).sum(axis=1, dtype=np.int64).max()
        if most[i] == all_read:
            # A larger box can only read as much again.
            break
    return most


def most_of(amounts: IntArray, sizes: IntArray) -> IntArray:
    """Largest sum of ``amounts`` (length, ...) over a box, for each box size: (sizes, ...)."""
    return np.stack([np.add.reduceat(amounts, starts(len(amounts), int(size)), axis=0).max(axis=0) for size in sizes])


def most_in_boxes(amounts: IntArray, sizes: Sizes) -> IntArray:
    """Largest sum of ``amounts`` (C, H, W) over a box, for each combination of box sizes."""
    channels, rows, columns = amounts.shape
    most = np.zeros(tuple(map(len, sizes)), dtype=np.int64)
    for k, width in enumerate(sizes[2]):
        by_column = np.add.reduceat(amounts, starts(columns, int(width)), axis=2)
        for j, height in enumerate(sizes[1]):
            by_row = np.add.reduceat(by_column, starts(rows, int(height)), axis=1)
            for i, depth in enumerate(sizes[0]):
                most[i, j, k] = np.add.reduceat(by_row, starts(channels, int(depth)), axis=0).max()
    return most


def product(channels: IntArray, rows: IntArray, columns: IntArray) -> IntArray:
    """Product for each combination of one entry per axis."""
    return np.asarray(channels[:, None, None] * rows[None, :, None] * columns[None, None, :], dtype=np.int64)
