"""What this processor can do at most, measured by small loops: bytes added within a cache, bytes moved from memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from .measure import alternating
from .rows import Row

PART = "limits"
ADDS, MOVED = "adds of bytes within the cache", "bytes read and written beyond the cache"

_IN_CACHE = tuple(1 << bits for bits in (13, 14, 15, 16, 17, 18))
_BEYOND = 1 << 27
_REPEATS = 64


def measure_limits(rounds: int) -> Iterator[Row]:
    """Rows of part ``limits``, on one thread: the best of several sizes for adds, an array beyond the cache."""
    arrays = {str(size): np.ones((2, size), dtype=np.int8) for size in _IN_CACHE}
    adds = alternating({size: partial(_add, pair) for size, pair in arrays.items()}, rounds)
    best = min(adds, key=lambda size: min(adds[size].wall) / int(size))
    values = tuple(int(best) * _REPEATS / seconds / 1e9 for seconds in adds[best].wall)
    note = f"two arrays of {int(best) >> 10} KiB"
    yield Row(PART, "", ADDS, "G/s", values, threads=1, note=note)
    large = np.ones((2, _BEYOND), dtype=np.int8)
    copies = alternating({"copy": partial(np.copyto, large[0], large[1])}, rounds)["copy"]
    values = tuple(2 * _BEYOND / seconds / 1e9 for seconds in copies.wall)
    yield Row(PART, "", MOVED, "G/s", values, threads=1, note=f"a copy of {_BEYOND >> 20} MiB")


def _add(pair: np.ndarray[tuple[int, ...], np.dtype[np.int8]]) -> None:
    for _ in range(_REPEATS):
        np.add(pair[0], pair[1], out=pair[0])
