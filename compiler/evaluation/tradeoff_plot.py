"""Accuracy against latency as an SVG picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .picture import svg_picture
from .tradeoff import Tradeoff

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_tradeoff(result: Tradeoff) -> bytes:
    """Return the picture; ``UnusableInput`` (E636) where matplotlib is not installed."""

    def draw(axes: Axes) -> None:
        axes.axhline(100 * result.ann_accuracy, color="0.6", linestyle="--", label="ANN (float)")
        latencies, accuracies = [p.latency for p in result.points], [100 * p.accuracy for p in result.points]
        axes.plot(latencies, accuracies, "o-", label=f"T = {result.timesteps}, simulated")
        for point in result.points:
            place = (point.latency, 100 * point.accuracy)
            axes.annotate(f"{len(point.gated)} gates", place, xytext=(4, -12), textcoords="offset points", fontsize=8)
        axes.margins(0.12)
        axes.set_xlabel("latency (time steps from the first input to the result)")
        axes.set_ylabel("accuracy (%)")
        axes.legend()

    return svg_picture(draw, (6, 4))
