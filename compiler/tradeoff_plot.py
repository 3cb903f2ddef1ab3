"""Accuracy against latency as an SVG picture."""

from __future__ import annotations

import importlib.util
import io

from ..targets.diagnostic import refuse
from .tradeoff import Tradeoff


def plot_tradeoff(result: Tradeoff) -> bytes:
    """Return the picture; ``UnusableInput`` (E636) where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise refuse("E636", "plots are drawn by matplotlib, which is not installed", hint="pip install 'spikec[plot]'")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A fixed salt and no date: the same figures give the same bytes.
    with rc_context({"svg.hashsalt": "spikec"}):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
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
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()
