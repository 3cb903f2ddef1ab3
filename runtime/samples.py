"""Data files: ``FILE.npz`` with ``inputs`` (N, *input shape) uint8 or float32 and optional ``labels`` (N,), and others.

A model whose input is an integer type takes integers of its range, of any type, unscaled. Inputs with one axis more
than that are recordings of frames (N, F, *input shape); files of events are in ``events``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import UnusableInput, refuse
from ..targets.records import dataclass
from .program import IntArray, Shape
from .program.archive import DamagedArchive, array_names, read_archive, read_array
from .recordings import EventRecordings, mean_over_frames, read_recordings, several_windows, windows_in_a_row


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """``inputs`` (N, *shape) uint8 (scaled by 1/255 where floats are needed) or float32; ``labels`` (N,) or None.

    ``integers`` is the range of a model's integer input, whose data are not scaled; None for a model of floats.
    With ``frames``, samples change in time and ``inputs`` are (N, F, *shape). ``events`` are the recordings that
    inputs were made from: as long as they are not cut into windows, inputs are their mean over time.
    """

    inputs: npt.NDArray[Any]
    labels: IntArray | None
    integers: tuple[int, int] | None = None
    frames: bool = False
    events: EventRecordings | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, limit: int | None) -> Samples:
        """At most the first ``limit`` samples; all of them for None."""
        return self._part(slice(limit))

    def evenly(self, limit: int | None) -> Samples:
        """At most ``limit`` samples, evenly spaced, so that files sorted by class give all classes; None gives all."""
        if limit is None or limit >= len(self):
            return self
        chosen = np.arange(limit) * len(self) // limit
        return self._part(chosen)

    def between(self, start: int, stop: int) -> Samples:
        """Samples ``start`` to ``stop``."""
        return self._part(slice(start, stop))

    def _part(self, chosen: slice | IntArray) -> Samples:
        labels = None if self.labels is None else self.labels[chosen]
        events = None if self.events is None else self.events.part(chosen)
        return replace(self, inputs=self.inputs[chosen], labels=labels, events=events)

    @property
    def changes_in_time(self) -> bool:
        """Whether there is more to a sample than one input that stays the same over the window."""
        return self.frames or self.events is not None

    def in_windows(self, timesteps: int) -> Samples:
        """Samples with a frame for each of ``timesteps`` steps, or these if they do not change in time.

        A recording of events is one sample; one of K * T frames is cut into K samples in a row, all with its label.
        E027 where its frames are no whole number of windows.
        """
        if self.events is not None:
            return replace(self, inputs=self.events.frames(timesteps), frames=True)
        if not self.frames or self.inputs.shape[1] == timesteps:
            return self
        windows = windows_in_a_row(self.inputs, timesteps)
        repeated = len(windows) // max(1, len(self))
        labels = None if self.labels is None else np.repeat(self.labels, repeated)
        return replace(self, inputs=windows, labels=labels)

    def in_one_window(self, timesteps: int) -> Samples:
        """As ``in_windows`` for those who look at a recording as a whole; E027 also where it is several windows."""
        if self.frames and self.events is None and self.inputs.shape[1] != timesteps:
            raise several_windows(self.inputs.shape[1], timesteps)
        return self.in_windows(timesteps)

    def constant(self) -> Samples:
        """The mean over time of each sample in its place."""
        if not self.changes_in_time:
            return self
        return replace(self, inputs=self.as_float(), frames=False, events=None)

    def as_float(self) -> npt.NDArray[np.float32]:
        """Inputs as the float network takes them: bytes divided by 255, unless it is one of integers.

        Of samples that change in time it is the mean over their frames.
        """
        if self.frames:
            return mean_over_frames(self.inputs, lambda frame: replace(self, inputs=frame, frames=False).as_float())
        if self.inputs.dtype == np.uint8 and self.integers is None:
            return np.asarray(self.inputs, dtype=np.float32) / np.float32(255)
        return np.asarray(self.inputs, dtype=np.float32)

    def accuracy(self, predictions: IntArray) -> float | None:
        """Share of ``predictions`` that equal the labels; None without labels."""
        if self.labels is None:
            return None
        return float(np.mean(predictions == self.labels[: len(predictions)]))


def load_samples(
    path: str | Path, shape: Shape, *, classes: int | None = None, integers: tuple[int, int] | None = None
) -> Samples:
    """Read and check a data file; ``UnusableInput`` lists everything that is wrong with it.

    An ``.npz`` archive has inputs and labels, an ``.npy`` file inputs alone, a folder an image in ``CLASS/`` each.

    ``shape`` is the model's input shape per sample, ``classes`` the number of its outputs; a single output tells two
    classes apart. ``integers`` is the range of an integer input. Recordings are not cut into windows yet.
    """
    file = Path(path)
    if file.is_dir():
        from .image_folder import read_image_folder

        inputs, classes_of = read_image_folder(file, shape)
        return checked_samples(inputs, classes_of, shape, classes=classes, file=file, integers=integers)
    recorded = read_recordings(file, shape)
    if recorded is not None:
        counts = recorded.events.frames(1)[:, 0]
        checked = checked_samples(counts, recorded.labels, shape, classes=classes, file=file, integers=integers)
        return replace(checked, events=recorded.events)
    arrays = _read(file)
    if "inputs" not in arrays:
        raise refuse(
            "E602",
            f"there is no array 'inputs', only {', '.join(array_names(file)) or 'nothing'}",
            file=file,
            hint="save the data with numpy.savez(FILE, inputs=..., labels=...)",
        )
    return checked_samples(arrays["inputs"], arrays.get("labels"), shape, classes=classes, file=file, integers=integers)


def checked_samples(
    inputs: npt.NDArray[Any],
    labels: npt.NDArray[Any] | None,
    shape: Shape,
    *,
    classes: int | None = None,
    file: Path | None = None,
    integers: tuple[int, int] | None = None,
) -> Samples:
    """Samples of arrays that a user gave; raises ``UnusableInput`` with everything that is wrong with them."""
    found = [refuse("E603", message, file=file, hint=hint) for message, hint in _input_faults(inputs, shape, integers)]
    if labels is not None:
        found += [
            refuse("E604", message, file=file, hint="give one integer class per sample, or leave 'labels' out")
            for message in _label_faults(labels, inputs, classes)
        ]
    if found:
        raise UnusableInput(d for problem in found for d in problem.diagnostics)
    kept = inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32)
    labelled = None if labels is None else labels.astype(np.int64)
    return Samples(kept, labelled, integers, frames=inputs.ndim == len(shape) + 2)


def _read(file: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        if file.suffix.lower() == ".npy":
            return {"inputs": read_array(file)}
        return read_archive(file, ("inputs", "labels"))
    except FileNotFoundError as error:
        raise refuse("E600", "the data file does not exist", file=file, hint="check the path") from error
    except DamagedArchive as error:
        writer = "save" if file.suffix.lower() == ".npy" else "savez"
        raise refuse(
            "E601", f"the data file cannot be read ({error})", file=file, hint=f"save it again with numpy.{writer}"
        ) from error


def _input_faults(inputs: npt.NDArray[Any], shape: Shape, integers: tuple[int, int] | None) -> list[tuple[str, str]]:
    if integers is None and inputs.dtype != np.uint8 and inputs.dtype.kind != "f":
        return [(f"'inputs' has type {inputs.dtype}", "give uint8 (0..255) or float32")]
    if inputs.dtype.kind not in "iuf":
        return [(f"'inputs' has type {inputs.dtype}", "give integers, as the model takes them")]
    has_frames = inputs.ndim == len(shape) + 2
    if inputs.shape[1 + has_frames :] != shape or inputs.ndim == 0:
        wanted = ", ".join(["N", *map(str, shape)])
        hint = "reshape the data; frames that change in time are one more axis behind the first"
        return [(f"'inputs' has shape {inputs.shape}, the model takes ({wanted})", hint)]
    if has_frames and inputs.shape[1] == 0:
        return [("'inputs' holds no frame", "give a frame for every step of the window")]
    if len(inputs) == 0:
        return [("'inputs' holds no sample", "give at least one sample")]
    with np.errstate(over="ignore"):
        wrong = int(np.count_nonzero(~np.isfinite(inputs.astype(np.float32, copy=False))))
    if wrong:
        return [(f"'inputs' has {wrong} values that are NaN, infinite or beyond float32", "remove those samples")]
    if integers is not None:
        low, high = integers
        wrong = int(np.count_nonzero((inputs < low) | (inputs > high) | (inputs != np.trunc(inputs))))
        if wrong:
            what = f"'inputs' has {wrong} values that are no integers in {low}..{high}"
            return [(what, "give the integers that the model takes, not scaled to floats")]
    return []


def _label_faults(labels: npt.NDArray[Any], inputs: npt.NDArray[Any], classes: int | None) -> list[str]:
    if labels.dtype.kind not in "iu":
        return [f"'labels' has type {labels.dtype}, not an integer type"]
    if labels.ndim != 1 or inputs.ndim == 0 or len(labels) != len(inputs):
        return [f"'labels' has shape {labels.shape} for {len(inputs) if inputs.ndim else 0} samples"]
    known = 2 if classes == 1 else classes
    if len(labels) and (int(labels.min()) < 0 or (known is not None and int(labels.max()) >= known)):
        limit = "" if known is None else f"0..{known - 1}"
        return [f"'labels' go from {int(labels.min())} to {int(labels.max())}, the classes are {limit or '0 and up'}"]
    return []
