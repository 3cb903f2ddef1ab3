"""A sensor of events in front of pictures that move: handwritten digits as a camera of brightness changes sees them.

As N-MNIST was made (Orchard et al. 2015), a still picture is looked at in three saccades along a triangle. A pixel
that sees the intensity I keeps the logarithm at which it sent last, and sends an event for each ``CONTRAST`` that

    log(I + DARK)

has moved from there: of polarity 1 (ON) upwards and 0 (OFF) downwards. Between pixels intensities are interpolated
in whole numbers, and the logarithm comes from a table, so that every machine gives the same events.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...compiler.arithmetic.functions import log
from ...runtime.recordings import EVENT, EventRecordings, recordings_of

Events = npt.NDArray[np.void]
Integers = npt.NDArray[np.int64]

SIZE = 16
"""Rows and columns of the sensor."""
PATH = ((0, 0), (16, 16), (16, -16), (0, 0))
"""Corners of the triangle (right, down) in eighths of a pixel, each reached in ``STEPS`` steps from the one before."""
STEPS = 16
STEP_MICROSECONDS = 6250
CONTRAST = 0.5
DARK = 24
"""In units of intensity, of which there are 255."""
_PART = 8
_FINE = 1 << 12
_MARGIN = 3


def events_of(digits: npt.NDArray[np.uint8]) -> tuple[Events, Integers]:
    """Events of ``digits`` (N, 8, 8) uint8, of all one after the other, and the offsets (N + 1,) of each's."""
    level = np.rint(log(np.arange(255 * _PART * _PART + 1) / (_PART * _PART) + DARK) * _FINE).astype(np.int64)
    step = round(CONTRAST * _FINE)
    places = _path()
    pictures = _enlarged(digits)
    kept = level[_seen(pictures, places[0])]
    found = []
    for number, place in enumerate(places[1:], 1):
        moved = (level[_seen(pictures, place)] - kept) / step
        counts = np.trunc(moved).astype(np.int64)
        kept += counts * step
        found.append(_events(counts, number * STEP_MICROSECONDS))
    who = np.concatenate([each for each, _ in found])
    order = np.argsort(who, kind="stable")
    events = np.concatenate([each for _, each in found])[order]
    offsets = np.searchsorted(who[order], np.arange(len(digits) + 1))
    return events, offsets.astype(np.int64)


def recorded(digits: npt.NDArray[np.uint8], unit: int) -> EventRecordings:
    """What the sensor sends of ``digits`` (N, 8, 8) uint8, for inputs (2, SIZE, SIZE); ``unit`` events are 1."""
    events, offsets = events_of(digits)
    return recordings_of(events, offsets, (2, SIZE, SIZE), unit)


def _path() -> list[tuple[int, int]]:
    """Where the picture's corner is at each step, in eighths of a pixel."""
    places = [PATH[0]]
    for (from_x, from_y), (to_x, to_y) in pairwise(PATH):
        for number in range(1, STEPS + 1):
            places.append(
                (from_x + (to_x - from_x) * number // STEPS, from_y + (to_y - from_y) * number // STEPS),
            )
    return places


def _enlarged(digits: npt.NDArray[np.uint8]) -> Integers:
    """Twice the size, each pixel a block of four, with a dark margin."""
    twice = np.repeat(np.repeat(digits.astype(np.int64), 2, axis=1), 2, axis=2)
    return np.pad(twice, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)))


def _seen(pictures: Integers, place: tuple[int, int]) -> Integers:
    """What each pixel sees (N, SIZE, SIZE), in 64ths of an intensity, with the picture moved by ``place``."""
    (columns, x), (rows, y) = (divmod(-moved, _PART) for moved in place)
    total = np.zeros((len(pictures), SIZE, SIZE), dtype=np.int64)
    for down, right in np.ndindex(2, 2):
        share = (y if down else _PART - y) * (x if right else _PART - x)
        top, left = _MARGIN + rows + down, _MARGIN + columns + right
        if share:
            total += share * pictures[:, top : top + SIZE, left : left + SIZE]
    return total


def _events(counts: Integers, time: int) -> tuple[Integers, Events]:
    """Whose events there are at one ``time``, and the events; ``counts`` (N, rows, columns), negative for OFF."""
    who, y, x = np.nonzero(counts)
    number = np.abs(counts[who, y, x])
    events = np.zeros(int(number.sum()), dtype=EVENT)
    for name, values in (("x", x), ("y", y), ("p", counts[who, y, x] > 0)):
        events[name] = np.repeat(values, number)
    events["t"] = time
    return np.repeat(who, number), events
