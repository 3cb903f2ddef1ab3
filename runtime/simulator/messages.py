"""What populations send in a window: spikes per step, or how many they were; maps with channels last."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program import InputEncoding, IntArray, Shape
from .reduction import map_shape

Messages = npt.NDArray[Any]


class Sent:
    """What one source sends: ``trains`` (T, n, H, W, C), counts (n, H, W, C) of spikes, or ``graded`` input.

    Trains and counts are made from one another when they are asked for. ``graded`` input is the same at every step;
    where it is spread or changes from frame to frame, its messages are the trains, and the integers that they add up
    to the counts. So are payloads, of which there is one. ``total`` is given where it is known.
    """

    def __init__(
        self,
        timesteps: int,
        *,
        trains: Messages | None = None,
        counts: Messages | None = None,
        graded: Messages | None = None,
        total: int | None = None,
    ) -> None:
        self.timesteps = timesteps
        self.graded = graded
        self._trains = trains
        self._counts = counts
        self._total = total

    @property
    def trains(self) -> Messages:
        """Spikes (T, n, H, W, C), 0 or 1 in uint8; those of a gated population come first in its window."""
        if self._trains is None:
            assert self._counts is not None, "spikes of graded input"
            steps = np.arange(1, self.timesteps + 1, dtype=self._counts.dtype)
            fired = self._counts >= steps.reshape(-1, 1, 1, 1, 1)
            self._trains = fired.view(np.uint8)
        return self._trains

    @property
    def has_trains(self) -> bool:
        """Whether the spikes are held step by step."""
        return self._trains is not None

    @property
    def counts(self) -> Messages:
        """Spikes (n, H, W, C) in the window, in uint8 or uint16."""
        if self._counts is None:
            assert self._trains is not None, "spikes of graded input"
            self._counts = self._trains.sum(axis=0, dtype=narrowest_unsigned(self.timesteps))
        return self._counts

    def messages(self, by_counts: bool) -> Messages:
        """Counts or trains."""
        return self.counts if by_counts else self.trains

    @property
    def total(self) -> int:
        """Spikes, or messages with a payload, of all neurons and samples."""
        if self._total is not None:
            return self._total
        if self._trains is not None:
            is_bytes = self._trains.itemsize == 1
            return int(np.count_nonzero(self._trains.view(np.bool_) if is_bytes else self._trains))
        return int(self.counts.sum(dtype=np.int64))

    @property
    def recorded(self) -> Messages:
        """Spikes (n, T, neurons) uint8, or payloads, neurons in the order of the program."""
        trains = self.trains
        by_sample = trains.transpose(1, 0, 4, 2, 3)
        return np.ascontiguousarray(by_sample).reshape(trains.shape[1], len(trains), -1)

    def part(self, first: int, last: int) -> Sent:
        """What was sent for samples ``first`` to ``last``."""
        return Sent(
            self.timesteps,
            trains=None if self._trains is None else self._trains[:, first:last],
            counts=None if self._counts is None else self._counts[first:last],
            graded=None if self.graded is None else self.graded[first:last],
        )

    def per_neuron(self, shape: Shape) -> IntArray:
        """Spikes of each neuron of a population of ``shape``, over all samples."""
        total = self.counts.sum(axis=0, dtype=np.int64)
        by_channel: IntArray = total.transpose(2, 0, 1).reshape(shape)
        return by_channel


def one_message(payloads: Messages) -> Sent:
    """What graded neurons send: ``payloads`` (n, H, W, C)."""
    return Sent(1, trains=payloads[None], counts=payloads)


def joined(parts: Sequence[Sent]) -> Sent:
    """Spikes of ``parts`` of the samples, one after the other."""
    if not any(part.has_trains for part in parts):
        return Sent(parts[0].timesteps, counts=np.concatenate([part.counts for part in parts]))
    return Sent(parts[0].timesteps, trains=np.concatenate([part.trains for part in parts], axis=1))


def encoded_input(encoding: InputEncoding, samples: IntArray, timesteps: int) -> Sent:
    """Graded input as maps: encoded ``samples`` (n, *shape), or frames (n, T, *shape)."""
    height, width, channels = map_shape(encoding.shape)
    if encoding.has_frames(samples):
        by_step = samples.reshape(len(samples), timesteps, channels, height, width).transpose(1, 0, 3, 4, 2)
        return Sent(timesteps, trains=by_step.astype(np.int32, order="C"), counts=by_step.sum(axis=0))
    maps = samples.reshape(len(samples), channels, height, width).transpose(0, 2, 3, 1)
    maps = np.ascontiguousarray(maps)
    if not encoding.spread:
        return Sent(timesteps, graded=maps)
    trains = np.empty((timesteps, *maps.shape), dtype=np.int32)
    for step in range(timesteps):
        trains[step] = encoding.messages(maps, step, timesteps)
    return Sent(timesteps, trains=trains, counts=maps)


@functools.cache
def narrowest_unsigned(largest: int) -> type[np.unsignedinteger[Any]]:
    """Smallest unsigned type that holds ``largest``."""
    for kind in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(kind).max:
            return kind
    return np.uint64


def sum_over_pool(maps: Messages, pool: tuple[int, int], largest: int) -> Messages:
    """Sums up to ``largest`` over blocks of ``pool`` (rows, columns) of maps (..., H, W, C), cut off at the edge."""
    if pool == (1, 1):
        return maps
    *leading, height, width, channels = maps.shape
    size = (math.ceil(height / pool[0]), math.ceil(width / pool[1]))
    kind = np.dtype(np.int64) if maps.dtype.kind != "u" else np.dtype(narrowest_unsigned(largest))
    sums = np.zeros((*leading, *size, channels), dtype=kind)
    for row in range(min(pool[0], height)):
        for column in range(min(pool[1], width)):
            part = maps[..., row :: pool[0], column :: pool[1], :]
            sums[..., : part.shape[-3], : part.shape[-2], :] += part
    return sums
