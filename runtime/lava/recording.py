"""What populations write to files while Lava runs, and how it is read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..program import IntArray


@dataclass(frozen=True, slots=True)
class Recording:
    """Files of one population; a population records in the windows of ``samples`` samples only.

    ``trains``: one row of bit-packed spikes per time step. ``counts``: spikes per sample, int64.
    ``potentials``: membrane potentials (N, neurons) at each window's end, int64. None is not written.
    Neurons are in the order of the Lava port.
    """

    depth: int
    timesteps: int
    samples: int
    trains: Path | None = None
    counts: Path | None = None
    potentials: Path | None = None


def _open(path: Path | None) -> BinaryIO | None:
    # Unbuffered: what a step has written is in the file when Lava reports the step as done.
    return None if path is None else open(path, "wb", buffering=0)


class Recorder:
    """Writes the files of a ``Recording``, step by step."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._trains = _open(recording.trains)
        self._counts = _open(recording.counts)
        self._potentials = _open(recording.potentials)
        self._spikes_in_window = 0

    def record(self, time_step: int, spikes: npt.NDArray[np.bool_], potentials: IntArray) -> None:
        """Record a time step (from 1): ``spikes`` and ``potentials`` are those after the reset."""
        sample, step = divmod(time_step - 1 - self._recording.depth, self._recording.timesteps)
        if not 0 <= sample < self._recording.samples:
            return
        if self._trains is not None:
            _write(self._trains, np.packbits(spikes))
        if self._counts is not None:
            self._spikes_in_window += int(np.count_nonzero(spikes))
        if step < self._recording.timesteps - 1:
            return
        if self._counts is not None:
            _write(self._counts, np.array([self._spikes_in_window], dtype=np.int64))
            self._spikes_in_window = 0
        if self._potentials is not None:
            _write(self._potentials, potentials)


def _write(file: BinaryIO, values: npt.NDArray[Any]) -> None:
    remaining = np.ascontiguousarray(values).data.cast("B")
    while remaining:
        remaining = remaining[file.write(remaining) :]


def read_trains(recording: Recording, neurons: int) -> npt.NDArray[np.uint8]:
    """Spikes (N, T, neurons) 0/1 from the bit-packed file."""
    assert recording.trains is not None
    packed = np.fromfile(recording.trains, dtype=np.uint8)
    rows = packed.reshape(recording.samples, recording.timesteps, -(-neurons // 8))
    return np.unpackbits(rows, axis=2, count=neurons)


def read_counts(recording: Recording) -> IntArray:
    """Spikes per sample (N,)."""
    assert recording.counts is not None
    return np.fromfile(recording.counts, dtype=np.int64).reshape(recording.samples)


def read_potentials(recording: Recording, neurons: int) -> IntArray:
    """Membrane potentials (N, neurons) at each window's end."""
    assert recording.potentials is not None
    return np.fromfile(recording.potentials, dtype=np.int64).reshape(recording.samples, neurons)
