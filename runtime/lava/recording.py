"""What populations write to files while Lava runs, and how it is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..execution import SpikeTrains
from ..program import IntArray, Population, Program
from ..program.neuron_models import GRADED


@dataclass(frozen=True, slots=True)
class Recording:
    """Files of one population; a population records in the windows of ``samples`` samples only.

    Sample n runs in lane n % ``lanes``, in the window n // ``lanes`` of ``window`` steps, and sends in the
    ``timesteps`` steps that follow the window's first ``fires_after``. ``trains``: per time step a row of bit-packed
    spikes for each lane, or of int32 where what is sent is ``graded``. ``counts``: spikes per window in all lanes,
    int64. ``potentials``: membrane potentials (N, neurons) after the window's first ``timesteps`` steps, int64. None is
    not written. Neurons are in the order of the Lava port.
    """

    depth: int
    timesteps: int
    window: int
    fires_after: int
    samples: int
    lanes: int = 1
    graded: bool = False
    trains: Path | None = None
    counts: Path | None = None
    potentials: Path | None = None

    @classmethod
    def of(
        cls, program: Program, population: Population, samples: int, stem: Path, *, lanes: int = 1, trains: bool
    ) -> Recording:
        """What ``population`` writes to files named ``stem``: counts, trains if asked, a read-out's potentials."""
        spiking = population.threshold is not None
        return cls(
            depth=population.depth,
            timesteps=program.timesteps,
            window=program.window,
            fires_after=program.fires_after(population.name),
            samples=samples,
            lanes=lanes,
            graded=program.neuron.name == GRADED,
            trains=stem.with_suffix(".trains") if spiking and trains else None,
            counts=stem.with_suffix(".counts") if spiking else None,
            potentials=stem.with_suffix(".potentials") if not spiking else None,
        )


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

    def record(self, time_step: int, spikes: npt.NDArray[Any], potentials: npt.NDArray[Any]) -> None:
        """Record a time step (from 1): ``spikes`` or payloads and ``potentials`` after it, of every lane in turn."""
        recording = self._recording
        window, step = divmod(time_step - 1 - recording.depth, recording.window)
        lanes = min(recording.lanes, recording.samples - window * recording.lanes)
        if window < 0 or lanes < 1:
            return
        if 0 <= step - recording.fires_after < recording.timesteps:
            self._record_spikes(spikes.reshape(recording.lanes, -1), lanes)
        if self._counts is not None and step == recording.fires_after + recording.timesteps - 1:
            _write(self._counts, np.array([self._spikes_in_window], dtype=np.int64))
            self._spikes_in_window = 0
        if self._potentials is not None and step == recording.timesteps - 1:
            _write(self._potentials, potentials.reshape(recording.lanes, -1)[:lanes].astype(np.int64))

    def _record_spikes(self, spikes: npt.NDArray[Any], lanes: int) -> None:
        if self._trains is not None:
            _write(self._trains, spikes if self._recording.graded else np.packbits(spikes, axis=1))
        if self._counts is not None:
            self._spikes_in_window += int(np.count_nonzero(spikes[:lanes]))


def _write(file: BinaryIO, values: npt.NDArray[Any]) -> None:
    remaining = np.ascontiguousarray(values).data.cast("B")
    while remaining:
        remaining = remaining[file.write(remaining) :]


def read_trains(recording: Recording, neurons: int) -> SpikeTrains:
    """Spikes (N, T, neurons) 0/1, or payloads, from the file."""
    assert recording.trains is not None
    kind: npt.DTypeLike = np.int32 if recording.graded else np.uint8
    stored: SpikeTrains = np.fromfile(recording.trains, dtype=kind)
    width = neurons if recording.graded else -(-neurons // 8)
    by_window = stored.reshape(-1, recording.timesteps, recording.lanes, width).transpose(0, 2, 1, 3)
    rows = by_window.reshape(-1, *by_window.shape[2:])[: recording.samples]
    return rows if recording.graded else np.unpackbits(rows, axis=2, count=neurons)


def read_counts(recording: Recording) -> IntArray:
    """Spikes per window, of all lanes together."""
    assert recording.counts is not None
    return np.fromfile(recording.counts, dtype=np.int64)


def read_potentials(recording: Recording, neurons: int) -> IntArray:
    """Membrane potentials (N, neurons) with which each sample is read out."""
    assert recording.potentials is not None
    return np.fromfile(recording.potentials, dtype=np.int64).reshape(recording.samples, neurons)
