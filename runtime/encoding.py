"""Direct encoding: from the user's samples to the graded integers that the first layer receives."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import Diagnostic, Place
from .program import INPUT, InputEncoding, IntArray


def encode(encoding: InputEncoding, samples: npt.NDArray[Any]) -> tuple[IntArray, tuple[Diagnostic, ...]]:
    """Encode ``samples`` (N, *sample_shape) as (N, *shape) integers, or frames (N, T, *sample_shape) as messages.

    They are floats, or uint8 scaled by 1/255, or integers where the encoding is that of a model of integers. Values
    outside the range that the program was compiled for are clipped, and a W620 says how many. Frames become what is
    sent at each step (N, T, *shape); a single frame is the constant sample that it is.
    """
    leading = samples.shape[: samples.ndim - len(encoding.sample_shape)]
    axes = (axis + len(leading) for axis in encoding.axes)
    arranged = samples.transpose(*range(len(leading)), *axes).reshape(*leading, *encoding.shape)
    if arranged.dtype == np.uint8 and encoding.integers is None:
        nearest = np.rint(np.arange(256) / 255.0 / encoding.step).astype(np.int64)[arranged]
    else:
        nearest = np.rint(arranged.astype(np.float64) / encoding.step)
    clipped = int(np.count_nonzero((nearest < encoding.minimum) | (nearest > encoding.maximum)))
    encoded = np.clip(nearest, encoding.minimum, encoding.maximum).astype(np.int64)
    if len(leading) == 2:
        encoded = _frame_messages(encoding, encoded)
    return encoded, _remarks(encoding, clipped, encoded.size)


def _frame_messages(encoding: InputEncoding, frames: IntArray) -> IntArray:
    if frames.shape[1] == 1:
        return frames[:, 0]
    if not encoding.spread:
        return frames
    sums = np.cumsum(frames, axis=1) // frames.shape[1]
    return np.diff(sums, axis=1, prepend=0)


def _remarks(encoding: InputEncoding, clipped: int, total: int) -> tuple[Diagnostic, ...]:
    if not clipped:
        return ()
    low, high = encoding.minimum * encoding.step, encoding.maximum * encoding.step
    return (
        Diagnostic(
            "W620",
            f"{clipped} of {total} input values are outside {low:.4g}..{high:.4g} and were clipped",
            Place(layer=INPUT),
            measured=clipped,
            limit=0,
            unit="values",
            hint="compile with --calibration data that covers the range of the inputs",
        ),
    )
