"""An evaluation as text, as Markdown and as a picture."""

from __future__ import annotations

import importlib.util
import io

from ...targets.diagnostic import refuse
from .evaluation import Evaluation

_HEADINGS = ("method", "T", "accuracy", "latency", "steps per sample", "plain IF")


def evaluation_text(result: Evaluation) -> str:
    """Table of one row per method and T, in columns."""
    cells = [_HEADINGS, *_cells(result)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join((row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))))
        for row in cells
    ]
    return "\n".join((f"ANN (float): {result.ann_accuracy:.2%}", *lines))


def evaluation_markdown(result: Evaluation) -> str:
    """The same table in Markdown, with a newline at its end."""
    rows = [_HEADINGS, ("---", *["---:"] * (len(_HEADINGS) - 1)), *_cells(result)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"ANN (float): {result.ann_accuracy:.2%}\n\n{table}"


def evaluation_plot(result: Evaluation) -> bytes:
    """SVG of accuracy against T, one line per method; ``UnusableInput`` (E636) where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise refuse("E636", "plots are drawn by matplotlib, which is not installed", hint="pip install 'spikec[plot]'")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A fixed salt and no date: the same figures give the same bytes.
    with rc_context({"svg.hashsalt": "spikec", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.axhline(100 * result.ann_accuracy, color="0.6", linestyle="--", label="ANN (float)")
        for method in dict.fromkeys(r.method for r in result.rows):
            points = sorted((r.timesteps, 100 * r.accuracy) for r in result.rows if r.method == method)
            axes.plot([t for t, _ in points], [a for _, a in points], "o-", label=method)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("time steps T")
        axes.set_ylabel("accuracy (%)")
        axes.legend(fontsize=8)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _cells(result: Evaluation) -> list[tuple[str, ...]]:
    return [
        (
            r.method,
            str(r.timesteps),
            f"{r.accuracy:.2%}",
            str(r.latency),
            str(r.steps_per_sample),
            "yes" if r.plain_if else "no",
        )
        for r in result.rows
    ]
