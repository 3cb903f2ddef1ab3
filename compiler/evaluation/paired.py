"""Standard errors of accuracies and of their differences on the same samples, from which samples were right."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, sqrt
from statistics import stdev

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass

Right = npt.NDArray[np.bool_]
"""Which samples (samples,) one network put into their class."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of two accuracies (-1..1) and its standard ``error``."""

    mean: float
    error: float


def packed(right: Right) -> str:
    """Eight samples a byte, as hexadecimal digits: for a journal."""
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, samples: int) -> Right:
    """Return what ``packed`` was given, of which there were ``samples``."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8))[:samples].astype(bool)


def sampling_error(right: Sequence[Right]) -> float:
    """Standard error, over the samples, of the mean accuracy of networks: the binomial one where there is one network.

    That of the differences between networks is another thing and not in it.
    """
    return _error_over_samples([each.astype(np.int64) for each in right])


def paired_difference(first: Sequence[Right], second: Sequence[Right]) -> Difference:
    """Accuracy of ``first`` less that of ``second``, network by network (as many) and sample by sample.

    The error is that over the samples and, of several networks, that over them, added in squares. Both hold what is
    left by chance of the single network and sample, so it is rather too large than too small.
    """
    differences = [a.astype(np.int64) - b for a, b in zip(first, second, strict=True)]
    means = [int(each.sum(dtype=np.int64)) / len(each) for each in differences]
    over_networks = stdev(means) / sqrt(len(means)) if len(means) > 1 else 0.0
    return Difference(sum(means) / len(means), hypot(_error_over_samples(differences), over_networks))


def _error_over_samples(values: Sequence[npt.NDArray[np.int64]]) -> float:
    """Standard error of the mean over samples of whole numbers (samples,), averaged over networks first."""
    summed = np.stack(values).sum(axis=0, dtype=np.int64)
    samples, total = len(summed), int(summed.sum(dtype=np.int64))
    squares = int((summed * summed).sum(dtype=np.int64))
    if samples < 2:
        return 0.0
    return sqrt((squares - total * total / samples) / (samples - 1) / samples) / len(values)
