"""Recordings that change in time: frames in a row, and events of a sensor that are counted into frames.

A file of events is an ``.npz`` with the events of all recordings one after the other, ``events`` (n,) with
``offsets`` (N + 1,): those of recording k are ``events[offsets[k]:offsets[k + 1]]``; or with an array for each
recording, ``events_0``, ``events_1`` and so on. A ``.npy`` holds one recording. Events are structured arrays with the
fields x, y, t and p, as tonic gives them. For an input of shape (P, H, W), P being 1 or 2, an event is counted in
column x of row y, in channel 1 where p > 0 and in channel 0 otherwise; with one channel p says nothing. For an input
of shape (L,) x alone is the place, as of a cochlea's channels, and y is not needed.

Time is divided evenly: with a recording's first event at t0 and its last at t1, frame f of T holds the events with

    floor((t - t0) T / (t1 - t0 + 1)) = f,   each of which counts T,

so that a frame is the rate of events per recording, and the mean over the window is the number of events whatever T.
Where the file has a number ``unit``, frames are divided by it: so many events are 1. A recording without events is all
zeros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ..targets.records import dataclass
from .program import IntArray, Shape
from .program.archive import DamagedArchive, array_names, array_type, read_archive, read_array

Floats = npt.NDArray[np.float32]

EVENT = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "i1")])
"""An event as files of ours have it."""

_ONE_EACH = re.compile(r"events_(\d+)")
_LONGEST = 1 << 50
"""Ticks that a recording may last, so that times T they fit 64 bits: 35 years of microseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class EventRecordings:
    """Events of N recordings one after the other: their ``place`` in an input of ``shape``, counted in C order, and
    when they came, ``time`` (n,) since the first of their recording, which lasts ``length`` (N,) ticks.

    Recording k has the events ``offsets[k]`` to ``offsets[k + 1]``. ``unit`` events at one place are the input 1.
    """

    shape: Shape
    place: IntArray
    time: IntArray
    length: IntArray
    offsets: IntArray
    unit: int = 1

    def __len__(self) -> int:
        return len(self.length)

    def frames(self, timesteps: int) -> Floats:
        """Frames (N, T, *shape) of every recording: T / unit for each event, at its place and time."""
        values = int(np.prod(self.shape))
        which = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        frame = self.time * timesteps // self.length[which]
        cell = (which * timesteps + frame) * values + self.place
        counts = np.bincount(cell, minlength=len(self) * timesteps * values) * timesteps
        return (counts / self.unit).astype(np.float32).reshape(len(self), timesteps, *self.shape)

    def part(self, chosen: slice | IntArray) -> EventRecordings:
        """The ``chosen`` recordings."""
        numbers = np.arange(len(self))[chosen]
        spans = [slice(self.offsets[k], self.offsets[k + 1]) for k in numbers]
        empty = np.zeros(0, dtype=np.int64)
        ends = np.cumsum([0, *(span.stop - span.start for span in spans)], dtype=np.int64)
        place, time = (np.concatenate([empty, *(part[s] for s in spans)]) for part in (self.place, self.time))
        return EventRecordings(self.shape, place, time, self.length[numbers], ends, self.unit)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What a file of events holds of recordings of inputs (2, H, W)."""
        events = np.zeros(len(self.place), dtype=EVENT)
        places = np.unravel_index(self.place, self.shape)
        for name, values in zip(("p", "y", "x"), places, strict=True):
            events[name] = values
        events["t"] = self.time
        return {"events": events, "offsets": self.offsets, "unit": np.array(self.unit)}


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFile:
    """What a file of events holds: the recordings, and ``labels`` as they stand there or None."""

    events: EventRecordings
    labels: npt.NDArray[Any] | None


def mean_over_frames(frames: npt.NDArray[Any], as_float: Callable[[npt.NDArray[Any]], Floats]) -> Floats:
    """Mean (N, *shape) of ``frames`` (N, F, *shape), each taken ``as_float``; of equal frames it is the frame."""
    total = np.zeros((len(frames), *frames.shape[2:]), dtype=np.float64)
    # One frame after the other: an order that is the same everywhere.
    for step in range(frames.shape[1]):
        total += as_float(frames[:, step])
    return np.asarray(total / frames.shape[1], dtype=np.float32)


def windows_in_a_row(frames: npt.NDArray[Any], timesteps: int) -> npt.NDArray[Any]:
    """Frames (N, K * T, *shape) as K windows for each recording (N * K, T, *shape); E027 for a remainder."""
    recordings, length = frames.shape[:2]
    if length % timesteps:
        raise refuse(
            "E027",
            f"the data has {length} frames for each sample, which are no whole number of windows of {timesteps} steps",
            hint=f"give {timesteps} frames, or a multiple of that for several windows in a row",
        )
    return frames.reshape(recordings * (length // timesteps), timesteps, *frames.shape[2:])


def several_windows(length: int, timesteps: int) -> UnusableInput:
    """E027 for recordings of ``length`` frames where each should be one window; to be raised."""
    return refuse(
        "E027",
        f"the data has {length} frames for each sample, and a window of {timesteps} steps takes {timesteps}",
        hint=f"give --timesteps {length}; a file of events has frames for every T",
    )


def read_recordings(file: Path, shape: Shape) -> RecordedFile | None:
    """Events in ``file`` for an input of ``shape``, or None where it holds none; E029 for what is wrong with them."""
    arrays = _event_arrays(file)
    if arrays is None:
        return None
    if not _takes_events(shape):
        wanted = "x".join(map(str, shape))
        raise refuse(
            "E036",
            f"the file holds events, and the model's input has shape {wanted}",
            file=file,
            hint="events are counted for inputs of shape (1, H, W), (2, H, W) or (L,): give frames",
        )
    events, offsets = _joined(file, arrays)
    hint = "see docs/data-in-time.md for what a file of events holds"
    if found := [
        Diagnostic("E029", message, Place(str(file)), hint=hint) for message in _faults(events, offsets, shape)
    ]:
        raise UnusableInput(found)
    unit = arrays.get("unit", np.array(1))
    if unit.shape != () or unit.dtype.kind not in "iu" or int(unit) < 1:
        raise refuse("E029", "'unit' is no whole number from 1 up", file=file, hint=hint)
    return RecordedFile(recordings_of(events, offsets, shape, int(unit)), arrays.get("labels"))


def _event_arrays(file: Path) -> dict[str, npt.NDArray[Any]] | None:
    if not file.is_file():
        return None
    try:
        if file.suffix == ".npy":
            return {"events_0": read_array(file)} if array_type(file).names else None
        held = array_names(file)
        names = [n for n in held if n == "events" or _ONE_EACH.fullmatch(n)]
        return read_archive(file, {*names, "offsets", "unit", "labels"}) if names and "inputs" not in held else None
    except DamagedArchive:
        # What is wrong with the file is told by those who read it as one of inputs.
        return None


def _takes_events(shape: Shape) -> bool:
    return len(shape) == 1 or (len(shape) == 3 and shape[0] in (1, 2))


def _joined(file: Path, arrays: dict[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """All events in a row, and where each recording begins."""
    if "events" in arrays:
        if "offsets" not in arrays:
            hint = "give where each recording begins, and the end of the last; or an array for each, events_0 and so on"
            raise refuse("E029", "there are 'events' without 'offsets'", file=file, hint=hint)
        return arrays["events"], arrays["offsets"]
    parts = []
    for number in range(sum(1 for name in arrays if _ONE_EACH.fullmatch(name))):
        if f"events_{number}" not in arrays:
            hint = "number the recordings from 0 on without a gap"
            raise refuse("E029", f"there is no array 'events_{number}'", file=file, hint=hint)
        parts.append(arrays[f"events_{number}"])
    if len({part.dtype for part in parts}) > 1 or any(part.ndim != 1 for part in parts):
        raise refuse("E029", "the recordings are not rows of events of one type", file=file, hint="give all the same")
    return np.concatenate(parts), np.cumsum([0, *map(len, parts)])


def _faults(events: npt.NDArray[Any], offsets: npt.NDArray[Any], shape: Shape) -> Iterator[str]:
    """What is wrong with the events of recordings, for an input of ``shape``."""
    needed = ("x", "t") if len(shape) == 1 else ("x", "y", "t", "p") if shape[0] == 2 else ("x", "y", "t")
    missing = [name for name in needed if name not in (events.dtype.names or ())]
    if missing:
        yield f"the events have no field {', '.join(missing)}"
        return
    wrong = [name for name in needed if events.dtype[name].kind not in ("iub" if name == "p" else "iu")]
    if wrong:
        yield f"the field {wrong[0]} of the events has type {events.dtype[wrong[0]]}, not an integer type"
        return
    if events.ndim != 1 or offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        yield f"events of shape {events.shape} and offsets of shape {offsets.shape} and type {offsets.dtype} do not fit"
        return
    if offsets[0] != 0 or offsets[-1] != len(events) or (offsets[1:] < offsets[:-1]).any():
        yield f"the offsets do not rise from 0 to {len(events)}, the number of events"
        return
    for name, size in zip(("x", "y"), (shape[-1], shape[-2] if len(shape) == 3 else None), strict=True):
        if size is not None and len(events) and (events[name].min() < 0 or events[name].max() >= size):
            yield f"{name} goes from {events[name].min()} to {events[name].max()}, and the input has 0..{size - 1}"
    if len(events) and int(events["t"].max()) - int(events["t"].min()) >= _LONGEST:
        yield "the events span more time than can be divided exactly"


def recordings_of(events: npt.NDArray[Any], offsets: npt.NDArray[Any], shape: Shape, unit: int = 1) -> EventRecordings:
    """Recordings for inputs of ``shape`` of sound ``events`` (n,) and ``offsets`` (N + 1,)."""
    bounds = offsets.astype(np.int64)
    place = events["x"].astype(np.int64)
    if len(shape) == 3:
        place = events["y"].astype(np.int64) * shape[2] + place
    if shape[0] == 2 and len(shape) == 3:
        place += (events["p"] > 0).astype(np.int64) * (shape[1] * shape[2])
    time = events["t"].astype(np.int64) - (events["t"].min().astype(np.int64) if len(events) else 0)
    length = np.ones(len(bounds) - 1, dtype=np.int64)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        if stop > start:
            first = time[start:stop].min()
            length[number] = time[start:stop].max() - first + 1
            time[start:stop] -= first
    return EventRecordings(shape, place, time, length, bounds, unit)
