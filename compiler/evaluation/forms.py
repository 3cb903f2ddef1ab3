"""An evaluation as text, as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from .evaluation import Evaluation, EvaluationRow
from .families import series_names
from .paired import Difference
from .picture import svg_picture
from .subjects import mean_and_spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = (9, 6)
"""Width and height of the plot."""
_HEADINGS = (
    *("method", "trained", "T", "accuracy", "error", "to ANN", "float"),
    *("potentials", "latency", "steps per sample", "plain IF"),
)
_LEFT = 2
"""Columns of words, which stand to the left."""
_COLOURS = 10
_MARKERS = "os^Dv"
"""One for each round through the colours."""


def evaluation_text(result: Evaluation) -> str:
    """Table of one row per method, training and T, in columns."""
    compared = () if result.against is None else (f"to {result.against}",)
    cells = [(*_HEADINGS, *compared), *(_cells(row, bool(compared)) for row in result.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(c.ljust(w) if i < _LEFT else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    networks = _float_accuracies(result)
    ann = ", ".join(f"{kind} {fmean(a):.2%}".strip() for kind, a in networks.items())
    return "\n".join((f"ANN (float): {ann}, {result.samples} samples", *lines))


def evaluation_markdown(result: Evaluation) -> str:
    """Accuracies in %, of a method and training per row and a T per column, of the networks, latencies; in Markdown."""
    parts = [
        "Accuracy in % of the integer programs, simulated: mean ± standard deviation over networks. A T in brackets is "
        "that which the networks were trained for, where it is another.",
        _matrix(result, _accuracy),
        *_paired_parts(result),
    ]
    if any(row.float_accuracy is not None for row in result.rows):
        parts += [
            "The same without rounding (weights of 17 bits, nearly float).",
            _matrix(result, lambda row: _percent(row.float_accuracy, row.float_spread)),
        ]
    parts += [
        "The float networks that the programs were made from.",
        _network_table(result),
        *_potential_parts(result),
        "Time steps from a sample's first input to its result / from one sample to the next.",
        _matrix(result, lambda row: f"{row.latency} / {row.steps_per_sample}"),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _paired_parts(result: Evaluation) -> list[str]:
    """What is known on the same samples; nothing of an evaluation that did not keep which were right."""
    parts = []
    if any(row.error is not None for row in result.rows):
        parts += [
            f"Standard error of the accuracy over the {result.samples} samples, in points.",
            _matrix(result, lambda row: "" if row.error is None else f"{100 * row.error:.2f}"),
            "Points to the ANN, the ReLU network of the same seed or else the network that was converted, on the same "
            "samples: mean ± standard error.",
            _matrix(result, lambda row: _points(row.to_ann)),
        ]
    if result.against is not None:
        parts += [
            f"Points above {result.against} at the same T, on the same samples: mean ± standard error.",
            _matrix(result, lambda row: _points(row.difference)),
        ]
    return parts


def _potential_parts(result: Evaluation) -> list[str]:
    if not any(_kept(row) for row in result.rows):
        return []
    caption = "Networks of which the calibrated initial potentials were kept, for they came closer to the ANN held out."
    calibrated = replace(result, rows=tuple(row for row in result.rows if _kept(row)))
    return [caption, _matrix(calibrated, _kept)]


def evaluation_plot(result: Evaluation) -> bytes:
    """SVG of accuracy against T, a line per method; the float networks' where all are of one kind.

    Raises ``UnusableInput`` (E636) where matplotlib is not installed.
    """
    return svg_picture(lambda axes: draw_evaluation(axes, result), INCHES)


def draw_evaluation(axes: Axes, result: Evaluation) -> None:
    """Draw what ``evaluation_plot`` shows."""
    from matplotlib import colormaps

    networks = list(_float_accuracies(result).values())
    if len(networks) == 1:
        axes.axhline(100 * fmean(networks[0]), color="0.6", linestyle="--", label="ANN (float)")
    for index, (name, rows) in enumerate(_series(result).items()):
        axes.errorbar(
            [row.timesteps for row in rows],
            [100 * row.accuracy for row in rows],
            yerr=[100 * (row.spread or 0) for row in rows],
            linestyle="-" if rows[0].plain_if else ":",
            marker=_MARKERS[index // _COLOURS % len(_MARKERS)],
            color=colormaps["tab10"](index % _COLOURS),
            label=name,
            markersize=4,
            linewidth=1,
        )
    axes.set_xscale("log", base=2)
    timesteps = sorted({row.timesteps for row in result.rows})
    axes.set_xticks(timesteps, [str(steps) for steps in timesteps], minor=False)
    axes.set_xlabel("time steps T (dotted: more than a plain integrate-and-fire neuron)")
    axes.set_ylabel("accuracy (%)")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


def _float_accuracies(result: Evaluation) -> dict[str, list[float]]:
    """Accuracy (0..1) of each float network, by the kind of its training."""
    measured = {(row.training, m.model): m.ann_accuracy for row in result.rows for m in row.measurements}
    kinds = dict.fromkeys(kind for kind, _ in measured)
    return {kind: [accuracy for (k, _), accuracy in measured.items() if k == kind] for kind in kinds}


def _series(result: Evaluation) -> dict[str, list[EvaluationRow]]:
    """Rows by method, and by its training where a method has several."""
    return {
        name: sorted((r for r in result.rows if (r.method, r.training) == pair), key=lambda r: r.timesteps)
        for pair, name in series_names(result.rows).items()
    }


def _matrix(result: Evaluation, shown: Callable[[EvaluationRow], str]) -> str:
    timesteps = sorted({row.timesteps for row in result.rows})
    headings = ("method", "trained", "plain IF", *(f"T = {steps}" for steps in timesteps))
    lines = [headings, ("---", "---", "---", *["---:"] * len(timesteps))]
    for rows in _series(result).values():
        at = {row.timesteps: shown(row) for row in rows}
        first = rows[0]
        words = (first.method, first.training, "yes" if first.plain_if else "no")
        lines.append((*words, *(at.get(steps, "") for steps in timesteps)))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _network_table(result: Evaluation) -> str:
    lines = [("trained", "networks", "accuracy"), ("---", "---:", "---:")]
    for kind, accuracies in _float_accuracies(result).items():
        lines.append((kind, str(len(accuracies)), _percent(*mean_and_spread(accuracies))))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _percent(value: float | None, spread: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.2f}" if spread is None else f"{100 * value:.2f} ± {100 * spread:.2f}"


def _accuracy(row: EvaluationRow) -> str:
    trained = {m.trained_timesteps for m in row.measurements} - {0, row.timesteps}
    marks = "".join(f" ({steps})" for steps in sorted(trained))
    return f"{_percent(row.accuracy, row.spread)}{marks}"


def _points(difference: Difference | None) -> str:
    return "" if difference is None else f"{100 * difference.mean:+.2f} ± {100 * difference.error:.2f}"


def _kept(row: EvaluationRow) -> str:
    """How many networks run from calibrated potentials, of those that were to; empty for other methods."""
    potentials = [m.potentials for m in row.measurements if m.potentials is not None]
    return f"{potentials.count('calibrated')} of {len(potentials)}" if potentials else ""


def _cells(row: EvaluationRow, compared: bool) -> Sequence[str]:
    difference = (_points(row.difference) or "-",) if compared else ()
    return (
        row.method,
        row.training or "-",
        str(row.timesteps),
        _accuracy(row),
        "-" if row.error is None else f"{100 * row.error:.2f}",
        _points(row.to_ann) or "-",
        _percent(row.float_accuracy, row.float_spread) or "-",
        _kept(row) or "-",
        str(row.latency),
        str(row.steps_per_sample),
        "yes" if row.plain_if else "no",
        *difference,
    )
