"""Figures by layer and method as pictures: a panel for each question or method, one legend above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..analysis.energy import LayerOperations
from ..analysis.residuals import Residuals
from ..analysis.unevenness import Unevenness
from ..methods.spike_confidence import Confidence
from .by_layer import ByLayer, Figures
from .layer_forms import energy_of, named, shown_confidence
from .picture import Panels, shown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 6.0
"""Inches: 600 pixels are then 100 to the inch, and letters of 8 points eleven pixels."""
_SMALL = 8
_TITLE = 10
_LEGEND_COLUMNS = 4
_NAMED_LAYERS = 12
"""Layers whose names stand side by side; more are numbered."""
_MARKERS = "os^Dv<>p"
_KINDS = (
    ("from zero", "from_zero", "tab:red", ""),
    ("more", "more", "tab:orange", "///"),
    ("fewer", "fewer", "tab:cyan", "..."),
    ("to zero", "to_zero", "tab:blue", "xx"),
)
"""Name, field, colour and hatch of each kind of unevenness."""


def rmpe_panels(result: ByLayer[Residuals]) -> Panels:
    """Figures 4 and 5 of Xiong et al. 2025 with a line per method, and below them the wrong counts."""
    return Panels(2, 1, (_WIDTH, 5.4), lambda figure, axes: _draw_rmpe(figure, axes, result))


def unevenness_panels(result: ByLayer[Unevenness]) -> Panels:
    """Kinds of unevenness of every layer, stacked, in a panel per method."""
    rows = len(result.rows)
    return Panels(rows, 1, (_WIDTH, 1.2 + 1.5 * rows), lambda figure, axes: _draw_unevenness(figure, axes, result))


def confidence_panels(result: ByLayer[Confidence]) -> Panels:
    """Confidence, and the share of inactive neurons that fired, by step: a row per method, a line per layer."""
    rows = len(result.rows)
    return Panels(rows, 2, (_WIDTH, 1.2 + 1.9 * rows), lambda figure, axes: _draw_confidence(figure, axes, result))


def energy_panels(result: ByLayer[LayerOperations]) -> Panels:
    """Energy in % of the ANN's by eq. 18, two bars for each method."""
    inches = (_WIDTH, 1.4 + 0.45 * len(result.rows))
    return Panels(1, 1, inches, lambda figure, axes: _draw_energy(figure, axes[0], result))


def _draw_energy(figure: Figure, panel: Axes, result: ByLayer[LayerOperations]) -> None:
    rows = tuple(named(result))
    energies = [energy_of(result, row) for _, row in rows]
    for shift, label, colour, ratios in (
        (-0.2, "first layer once", "tab:blue", [each.first_layer_once for each in energies]),
        (0.2, "first layer at every step", "tab:orange", [each.first_layer_every_step for each in energies]),
    ):
        known = [(place + shift, 100 * ratio) for place, ratio in enumerate(ratios) if ratio is not None]
        panel.barh([place for place, _ in known], [share for _, share in known], 0.38, color=colour, label=label)
    panel.set_yticks(list(range(len(rows))), [shown_name(name) for name, _ in rows], fontsize=_SMALL)
    panel.invert_yaxis()
    panel.set_xlabel("energy in % of the ANN's by eq. 18", fontsize=_SMALL)
    panel.set_title(f"operations of T = {result.timesteps} steps", fontsize=_TITLE)
    _legend(figure)


def _draw_rmpe(figure: Figure, axes: Sequence[Axes], result: ByLayer[Residuals]) -> None:
    questions: tuple[tuple[str, Callable[[Residuals], float]], ...] = (
        ("v(T) outside [0, θ) (%)", lambda each: each.naive),
        ("wrong counts (%)", lambda each: each.over + each.under),
    )
    for panel, (title, share) in zip(axes, questions, strict=True):
        for index, (name, row) in enumerate(named(result)):
            shares = [100 * share(each) for each in row.layers.values()]
            label = shown_name(name) if panel is axes[0] else "_"
            panel.plot(list(range(len(shares))), shares, _style(index), label=label, markersize=5)
        panel.set_ylim(bottom=0)
        panel.set_ylabel(title, fontsize=_SMALL)
        _name_layers(panel, result, shown=panel is axes[-1])
    axes[0].set_title(f"residual potentials, T = {result.timesteps}", fontsize=_TITLE)
    _legend(figure)


def _draw_unevenness(figure: Figure, axes: Sequence[Axes], result: ByLayer[Unevenness]) -> None:
    rows = tuple(named(result))
    highest = max(100 * each.wrong / each.cases for _, row in rows for each in row.layers.values())
    for panel, (name, row) in zip(axes, rows, strict=True):
        below = [0.0] * len(row.layers)
        for kind, field, colour, hatch in _KINDS:
            shares = [100 * getattr(each, field) / each.cases for each in row.layers.values()]
            panel.bar(
                list(range(len(shares))),
                shares,
                bottom=below,
                label=kind if panel is axes[0] else "_",
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
            )
            below = [low + share for low, share in zip(below, shares, strict=True)]
        panel.set_ylim(0, 1.05 * highest or 1)
        panel.set_ylabel(f"{shown_name(name)} (%)", fontsize=_SMALL)
        _name_layers(panel, result, shown=panel is axes[-1])
    axes[0].set_title(f"counts that differ from the ANN's, T = {result.timesteps}", fontsize=_TITLE)
    _legend(figure)


def _draw_confidence(figure: Figure, axes: Sequence[Axes], result: ByLayer[Confidence]) -> None:
    steps = list(range(1, result.timesteps + 1))
    curves = [each for row in result.rows for each in row.layers.values()]
    lowest = min(each.confidence(step) for each in curves for step in steps)
    highest = max(each.share(step) for each in curves for step in steps)
    for (left, right), (name, row) in zip(zip(axes[::2], axes[1::2], strict=True), named(result), strict=True):
        for index, (layer, each) in enumerate(row.layers.items()):
            known = [(step, share) for step in steps if (share := shown_confidence(each, step)) is not None]
            label = shown_name(layer) if left is axes[0] else "_"
            confidences = [100 * share for _, share in known]
            left.plot([step for step, _ in known], confidences, _style(index), label=label, markersize=4)
            right.plot(steps, [100 * each.share(step) for step in steps], _style(index), label="_", markersize=4)
        left.set_ylim(100 - 105 * (1 - lowest) - 1, 101)
        right.set_ylim(-0.5, 105 * highest + 0.5)
        left.set_ylabel(f"{shown_name(name)} (%)", fontsize=_SMALL)
    axes[0].set_title("active, of those that fired", fontsize=_TITLE)
    axes[1].set_title("fired, of the inactive", fontsize=_TITLE)
    for panel in axes[-2:]:
        panel.set_xlabel("time steps t", fontsize=_SMALL)
    _legend(figure)


def _style(index: int) -> str:
    return f"{_MARKERS[index % len(_MARKERS)]}-"


def _legend(figure: Figure) -> None:
    figure.legend(loc="outside upper center", ncols=_LEGEND_COLUMNS, fontsize=_SMALL)


def _name_layers(panel: Axes, result: ByLayer[Figures], *, shown: bool) -> None:
    """Names of the layers below ``panel``, of the network that has most; numbers where there are many."""
    names = max((list(row.layers) for row in result.rows), key=len)
    few = len(names) <= _NAMED_LAYERS
    labels = [shown_name(name) for name in names] if few else [str(place) for place in range(1, len(names) + 1)]
    panel.set_xticks(list(range(len(names))), labels if shown else [""] * len(names), rotation=30, fontsize=_SMALL)
