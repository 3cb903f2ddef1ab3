"""Data as a caller in Python may give them: a data file, arrays, tensors of torch, or ``Samples``."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import UnusableInput, refuse
from .program import Shape
from .samples import Samples, checked_samples, load_samples

Data = Any
"""A path as ``load_samples`` takes it, inputs (N, ...), a pair of inputs and labels (N,), or ``Samples``."""


def samples_of(
    data: Data, shape: Shape, *, classes: int | None = None, integers: tuple[int, int] | None = None
) -> Samples:
    """Samples of what a caller gave, checked as those of a data file are; arguments as for ``load_samples``.

    Arrays may be tensors of torch on any device. The same values give the same samples in whichever form they come.
    Errors: those of ``load_samples``, E603 for what is no array of numbers, E604 for labels that are none.
    """
    if isinstance(data, str | PathLike):
        if not str(data):
            raise refuse("E600", "the path of the data is empty", hint="check the path")
        return load_samples(Path(data), shape, classes=classes, integers=integers)
    inputs, labels = _inputs_and_labels(data)
    checked = checked_samples(inputs, labels, shape, classes=classes, integers=integers)
    return replace(checked, events=data.events) if isinstance(data, Samples) else checked


def first_inputs(data: Data, count: int) -> npt.NDArray[Any] | None:
    """At most the first ``count`` inputs of ``data``, unchecked; None where they are in a file."""
    if data is None or isinstance(data, str | PathLike):
        return None
    return _inputs_and_labels(data)[0][:count]


def array_of(values: Any) -> npt.NDArray[Any]:
    """``values`` as an array; torch itself is not needed to take a tensor of it.

    Raises ``UnusableInput`` with E603 for what is no array of numbers.
    """
    try:
        if hasattr(values, "detach"):
            on_host = values.detach().cpu()
            # numpy has no such floats; a float32 holds each of them.
            values = (on_host.float() if "bfloat16" in str(on_host.dtype) else on_host).numpy()
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_array(values) from error
    if array.dtype.kind not in "biuf":
        raise _no_array(values)
    return array


def _inputs_and_labels(data: Data) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    if isinstance(data, Samples):
        return data.inputs, data.labels
    if isinstance(data, tuple) and len(data) == 2:
        inputs, labels = data
        return array_of(inputs), None if labels is None else array_of(labels)
    return array_of(data), None


def _no_array(values: object) -> UnusableInput:
    hint = "give an array or a tensor (N, *input shape), a pair of it and labels (N,), or the path of a data file"
    return refuse("E603", f"data are given as {type(values).__name__}, which is no array of numbers", hint=hint)
