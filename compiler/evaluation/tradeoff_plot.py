"""Accuracy against latency as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...targets.records import dataclass
from .picture import svg_picture
from .tradeoff import Tradeoff

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = (6, 4)
"""Width and height of the picture."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One program in the plot: its number of gates, steps until the result, accuracy (0..1)."""

    gates: int
    latency: int
    accuracy: float


def plot_tradeoff(result: Tradeoff) -> bytes:
    """Return the picture; ``UnusableInput`` (E636) where matplotlib is not installed."""
    marks = [Mark(len(point.gated), point.latency, point.accuracy) for point in result.points]
    return svg_picture(lambda axes: draw_tradeoff(axes, result.ann_accuracy, result.timesteps, marks), INCHES)


def draw_tradeoff(axes: Axes, ann_accuracy: float, timesteps: int, marks: Sequence[Mark]) -> None:
    """Draw the programs of T = ``timesteps`` from no gate to all, below the float network's accuracy (0..1)."""
    axes.axhline(100 * ann_accuracy, color="0.6", linestyle="--", label="ANN (float)")
    places = [(mark.latency, 100 * mark.accuracy) for mark in marks]
    axes.plot(*zip(*places, strict=True), "o-", label=f"T = {timesteps}, simulated")
    for mark, place in zip(marks, places, strict=True):
        axes.annotate(f"{mark.gates} gates", place, xytext=(4, -12), textcoords="offset points", fontsize=8)
    axes.margins(0.12)
    axes.set_xlabel("latency (time steps from the first input to the result)")
    axes.set_ylabel("accuracy (%)")
    axes.legend()
