"""A picture that answers one question, with a name at every line's end: what it shows as data, and how it is drawn.

Places are fractions of a diagram's width and height, computed here, so that a picture is the same on every machine and
names never lie on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ...targets.records import dataclass
from ..arithmetic.functions import log2
from .picture import Panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.0
"""Inches: 600 pixels are then 100 to the inch, and letters of 8 points eleven pixels."""
SMALL = 8
_TITLE = 10
INK = "#797979"
"""Of letters and frames: 4.3 times darker than white, and as much lighter than the dark ground of a code host."""
LOOKS = (
    *(("#9a6324", "v"), ("#1f77b4", "s"), ("#1b8a6b", "D"), ("#7b68c8", "o")),
    *(("#c2711d", "P"), ("#d0365c", "^"), ("#6b7f00", "X"), ("#0e8a9e", "*")),
)
"""Colour and marker by a family's look; each colour is 3 times darker than white and lighter than a dark ground."""
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 0.6, 2.1, 0.62, 0.45, 0.3
"""Inches around and between the diagrams of a picture."""
_LEAST = 2.9
"""Inches of the height of a single diagram."""
_LINE, _GAP = 0.145, 0.05
"""Inches that a line of small letters takes, and that names keep apart."""
_NAME_AT, _END_AT = 1.09, 1.06
_DIGIT = 0.09

Form = Literal["linear", "log2", "points"]


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from ``low`` to ``high`` with their ``ticks``; "points" is dense far from 0, for differences."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    form: Form = "linear"

    def place(self, value: float) -> float:
        """Where a value is, as fraction of the axis; outside 0..1 where it is outside."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def _scaled(self, value: float) -> float:
        if self.form == "linear":
            return value
        if self.form == "log2":
            return float(log2(value))
        size = float(log2(1 + abs(value)))
        return size if value >= 0 else -size


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its standard ``error``, 0 where none is known."""

    at: float
    value: float
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One family in a diagram: its ``name`` line by line, and ``dots`` from left to right."""

    name: tuple[str, ...]
    look: int
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """Lines over a common axis to the right; ``levels`` are named values that go through. ``stepped`` lines hold on."""

    up: Axis
    lines: tuple[Line, ...]
    levels: tuple[tuple[str, float], ...] = ()
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture called ``name``: a ``question``, what is shown in one line, and diagrams one below the other."""

    name: str
    question: str
    shown: str
    across: Axis
    diagrams: tuple[Diagram, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """A name beside a diagram: ``end`` is where its line ends, ``height`` where its middle stands (fractions)."""

    lines: tuple[str, ...]
    look: int | None
    end: tuple[float, float]
    height: float


def chart_panels(chart: Chart) -> Panels:
    """Return the picture as ``svg_panels`` draws it."""
    heights = [_height(each, len(chart.diagrams)) for each in chart.diagrams]
    total = _TOP + sum(heights) + _BETWEEN * (len(heights) - 1) + _BOTTOM

    def draw(figure: Figure, axes: Sequence[Axes]) -> None:
        figure.set_facecolor("none")
        figure.text(0.1 / WIDTH, 1 - 0.2 / total, chart.question, fontsize=_TITLE, color=INK, va="center")
        figure.text(0.1 / WIDTH, 1 - 0.42 / total, chart.shown, fontsize=SMALL, color=INK, va="center")
        top = total - _TOP
        for axis, diagram, height in zip(axes, chart.diagrams, heights, strict=True):
            width = WIDTH - _LEFT - _RIGHT
            axis.set_position((_LEFT / WIDTH, (top - height) / total, width / WIDTH, height / total))
            _draw(axis, diagram, chart.across, height, last=diagram is chart.diagrams[-1])
            top -= height + _BETWEEN

    return Panels(len(heights), 1, (WIDTH, total), draw)


def _height(diagram: Diagram, of: int) -> float:
    """Inches that hold the names of a diagram, and that a line can be seen in."""
    names = [*(len(line.name) for line in diagram.lines), *(1 for _ in diagram.levels)]
    return max(_LEAST if of == 1 else _LEAST / 2, sum(names) * _LINE + len(names) * _GAP)


def _draw(axis: Axes, diagram: Diagram, across: Axis, height: float, *, last: bool) -> None:
    axis.set_facecolor("none")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_frame_on(False)
    axis.axhline(0, color=INK, linewidth=1.6)
    axis.axvline(0, color=INK, linewidth=1.6)
    axis.tick_params(colors=INK, labelsize=SMALL)
    named = [text if last else "" for _, text in across.ticks]
    axis.set_xticks([across.place(tick) for tick, _ in across.ticks], named)
    axis.set_yticks([diagram.up.place(tick) for tick, _ in diagram.up.ticks], [text for _, text in diagram.up.ticks])
    axis.grid(axis="y", color=INK, alpha=0.25, linewidth=0.5)
    axis.set_ylabel(diagram.up.label, fontsize=SMALL, color=INK)
    if last:
        axis.set_xlabel(across.label, fontsize=SMALL, color=INK)
    for _, value in diagram.levels:
        axis.axhline(diagram.up.place(value), color=INK, linestyle="--", linewidth=0.8)
    for line in diagram.lines:
        _draw_line(axis, line, diagram, across)
    for name in _names(diagram, across, height):
        _draw_name(axis, name)


def _draw_line(axis: Axes, line: Line, diagram: Diagram, across: Axis) -> None:
    colour, marker = LOOKS[line.look]
    middles = [diagram.up.place(dot.value) for dot in line.dots]
    places = [across.place(dot.at) for dot in line.dots]
    for place, middle, dot in zip(places, middles, line.dots, strict=True):
        ends = [diagram.up.place(dot.value + sign * dot.error) for sign in (-1, 1)]
        if dot.error:
            axis.plot([place, place], ends, color=colour, linewidth=1, alpha=0.6)
        axis.plot([place], [middle], color=colour, marker=marker, markersize=5, linestyle="none")
    style = "steps-post" if diagram.stepped else "default"
    if diagram.stepped:
        places, middles = [*places, 1.0], [*middles, middles[-1]]
    if len(places) > 1:
        axis.plot(places, middles, color=colour, linewidth=1.4, drawstyle=style)


def _draw_name(axis: Axes, name: _Name) -> None:
    colour, marker = (INK, "") if name.look is None else LOOKS[name.look]
    for places, heights, style in (
        ((name.end[0], 1.01), (name.end[1], name.end[1]), ":"),
        ((1.01, _END_AT), (name.end[1], name.height), "-"),
    ):
        axis.plot(places, heights, color=colour, linestyle=style, linewidth=0.7, alpha=0.8, clip_on=False)
    axis.plot([_END_AT], [name.height], color=colour, marker=marker, markersize=5, linestyle="none", clip_on=False)
    axis.text(_NAME_AT, name.height, "\n".join(name.lines), fontsize=SMALL, color=INK, va="center", clip_on=False)


def _names(diagram: Diagram, across: Axis, height: float) -> tuple[_Name, ...]:
    """Names of lines and levels, each as near to its line's end as the others let it."""
    ends: list[tuple[tuple[str, ...], int | None, tuple[float, float]]] = [
        (line.name, line.look, (1.0 if diagram.stepped else across.place(line.dots[-1].at), line.dots[-1].value))
        for line in diagram.lines
    ]
    ends += [((text,), None, (1.0, value)) for text, value in diagram.levels]
    ordered = sorted(((name, look, (x, diagram.up.place(y))) for name, look, (x, y) in ends), key=lambda e: e[2][1])
    sizes = [(len(name) * _LINE + _GAP) / height for name, _, _ in ordered]
    middles = apart([end[1] for _, _, end in ordered], sizes)
    return tuple(_Name(name, look, end, at) for (name, look, end), at in zip(ordered, middles, strict=True))


def apart(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Middles in 0..1 near those ``wanted`` (rising), at which intervals of the ``sizes`` (1 in all) do not overlap."""
    middles: list[float] = []
    free = 0.0
    for middle, size in zip(wanted, sizes, strict=True):
        middles.append(max(middle, free + size / 2))
        free = middles[-1] + size / 2
    free = 1.0
    for place in range(len(middles) - 1, -1, -1):
        middles[place] = min(middles[place], free - sizes[place] / 2)
        free = middles[place] - sizes[place] / 2
    return middles


def ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """At most ``most`` + 1 round values, tenths or coarser, around ``low`` to ``high``, two at least."""
    step = next(m * 10.0**k for k in range(-1, 10) for m in (1, 2, 5) if _steps(low, high, m * 10.0**k) <= most)
    first, last = int(low // step), int(-(-high // step))
    if first == last:
        first, last = (first - 1, last) if first > 0 else (first, last + 1)
    return tuple(round(step * place, 1) for place in range(first, last + 1))


def _steps(low: float, high: float, step: float) -> float:
    return -(-high // step) - low // step


def thinned(values: Sequence[int], axis_of: Axis) -> tuple[tuple[float, str], ...]:
    """Ticks for those of the rising ``values`` whose numbers have room beside each other along the diagram's width."""
    kept: list[tuple[float, str]] = []
    free = -1.0
    for value in values:
        text = str(value)
        middle, half = axis_of.place(value) * (WIDTH - _LEFT - _RIGHT), _DIGIT * (len(text) + 1) / 2
        if middle - half >= free:
            kept.append((value, text))
            free = middle + half
    return tuple(kept)
