"""What the benchmark measures, as rows, and the arithmetic on them: medians, ratios, fits, and what may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

SPIKEC = "spikec"
"""The tool that the others are divided by; ``spikec ...`` are variants of it."""

SHIPPED, RANDOM = "shipped", "random weights"
"""The network of the package by name, and what is said behind the names of networks that were not trained."""

ACTIVE_SYNAPSES = "active synapses"
"""What spikes reach, as an axis of size."""

ONNXRUNTIME, INT8 = "onnxruntime", ", int8"
"""The tool that runs the source network in float32, and what is added to its name where it does so in integers."""


@dataclass(frozen=True, slots=True)
class Equality:
    """How many integers (spike counts per neuron and sample, read-outs) were compared with spikec's and differed."""

    compared: int
    different: int

    @property
    def equal(self) -> bool:
        """All are the same, and there were any."""
        return self.compared > 0 and self.different == 0

    @property
    def share(self) -> float:
        """Share that differs, 0..1."""
        return self.different / self.compared if self.compared else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One tool in one case: ``values`` holds one number per round, in ``unit``.

    ``equality`` is None for what computes another function (the source ANN) or where there is nothing to compare.
    ``threads`` is None where the tool has those of the whole run, ``size`` is how much was done where neither T nor the
    batch tells; ``cpu`` is processor time, one value per round like ``values``, empty where only the clock was read.
    """

    part: str
    net: str
    tool: str
    unit: str
    values: tuple[float, ...]
    timesteps: int | None = None
    batch: int | None = None
    equality: Equality | None = None
    is_ann: bool = False
    note: str = ""
    threads: int | None = None
    size: int | None = None
    cpu: tuple[float, ...] = ()

    @property
    def case(self) -> tuple[str, str, int | None, int | None, int | None, str]:
        """What two rows must share to be compared."""
        return (self.part, self.net, self.timesteps, self.batch, self.threads, self.unit)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of several values."""

    median: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A straight line through the medians of one net over ``axis``; ``deviation`` is the largest, relative to it."""

    net: str
    axis: str
    points: tuple[tuple[int, float], ...]
    offset: float
    slope: float
    deviation: float


def spread(values: Sequence[float]) -> Spread:
    """Summary of at least one value."""
    return Spread(median(values), min(values), max(values))


def compare_integers(expected: Iterable[npt.NDArray[np.integer[Any]]], found: Iterable[npt.NDArray[Any]]) -> Equality:
    """Compare arrays pairwise, value by value; a missing array or another shape counts as different throughout."""
    wanted, given = list(expected), list(found)
    compared = different = 0
    for index, array in enumerate(wanted):
        compared += array.size
        same_shape = index < len(given) and given[index].shape == array.shape
        different += int(np.count_nonzero(given[index] != array)) if same_shape else array.size
    return Equality(compared, different)


def ratio(row: Row, rows: Iterable[Row]) -> Spread | None:
    """``row`` divided by spikec's row of the same case, round by round.

    None for spikec itself, without such a row, and for a spiking tool whose results are not equal to spikec's.
    """
    ours = next((r for r in rows if r.case == row.case and r.tool == SPIKEC), None)
    if ours is None or row.tool == SPIKEC or not (row.is_ann or (row.equality and row.equality.equal)):
        return None
    if len(row.values) != len(ours.values):
        # A tool too slow for every round has no partner round by round.
        return Spread(
            median(row.values) / median(ours.values),
            min(row.values) / max(ours.values),
            max(row.values) / min(ours.values),
        )
    return spread([theirs / own for theirs, own in zip(row.values, ours.values, strict=True)])


def linear_fit(net: str, axis: str, points: Sequence[tuple[int, float]]) -> Fit:
    """Line through at least two ``points`` (size, seconds) that minimises relative errors."""
    sizes, seconds = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
    # Relative errors, because a deviation of 10 % of the smallest point would vanish in one of the largest.
    slope, offset = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    line = slope * sizes + offset
    return Fit(
        net, axis, tuple(points), float(offset), float(slope), float(np.max(np.abs(seconds - line) / np.abs(line)))
    )


def linear_fits(rows: Iterable[Row]) -> list[Fit]:
    """Fits over T, batch and active synapses of the rows of part ``scaling``; an axis needs three sizes."""
    found = []
    scaling = [r for r in rows if r.part == "scaling"]
    for net in dict.fromkeys(r.net for r in scaling):
        for axis in ("timesteps", "batch", ACTIVE_SYNAPSES):
            chosen = [r for r in scaling if r.net == net and r.note == f"over {axis}"]
            sizes = {"timesteps": [r.timesteps for r in chosen], "batch": [r.batch for r in chosen]}
            measured = sizes.get(axis, [r.size for r in chosen])
            points = sorted((size or 0, median(r.values)) for size, r in zip(measured, chosen, strict=True))
            if len(points) >= 3:
                found.append(linear_fit(net, axis, points))
    return found
