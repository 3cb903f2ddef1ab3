"""Accuracy against T, and against latency, as a line for each method that was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...targets.records import dataclass
from .placed import AccuracyPoint
from .summary import percent

WIDTH, HEIGHT = 400, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 112, 12, 36
_LABEL = 14
"""Least distance between the names at the ends of two lines."""
_LONGEST_NAME = 15
_TICKS = 4
_MARGIN = 0.02
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2")


@dataclass(frozen=True, slots=True)
class ChartLine:
    """``points`` of a line, and its ``name`` beside the last at height ``name_y``; ``dashes`` tell lines apart."""

    name: str
    title: str
    points: tuple[tuple[int, int], ...]
    name_y: int
    dashes: str
    hue: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over axes with ``x_ticks`` and ``y_ticks``: position and text of each."""

    label: str
    x_label: str
    lines: tuple[ChartLine, ...]
    x_ticks: tuple[tuple[int, str], ...]
    y_ticks: tuple[tuple[int, str], ...]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def accuracy_charts(points: tuple[AccuracyPoint, ...]) -> tuple[Chart, ...]:
    """One for methods, against T, one for schedules, against latency; each only where there are two points."""
    methods = tuple(point for point in points if point.gated is None)
    schedules = tuple(point for point in points if point.gated is not None)
    charts = (
        _chart("Accuracy against T", "time steps T", methods, lambda point: point.timesteps, evenly=True),
        _chart("Accuracy against latency", "steps from input to result", schedules, lambda point: point.latency),
    )
    return tuple(chart for chart in charts if chart is not None)


def _chart(
    label: str,
    x_label: str,
    points: tuple[AccuracyPoint, ...],
    value: Callable[[AccuracyPoint], int],
    *,
    evenly: bool = False,
) -> Chart | None:
    values = sorted({value(point) for point in points})
    if len(values) < 2:
        return None
    places = {each: _x(n / (len(values) - 1) if evenly else _part(each, values)) for n, each in enumerate(values)}
    low, high = _range([point.accuracy for point in points])
    lines = []
    for number, (name, title, own) in enumerate(_series(points)):
        drawn = sorted((places[value(point)], _y(point.accuracy, low, high)) for point in own)
        dashes = _DASHES[number % len(_DASHES)]
        lines.append(ChartLine(_shortened(name), title, tuple(drawn), drawn[-1][1], dashes, number * 137 % 360))
    return Chart(label, x_label, _apart(lines), _thinned(places), _y_ticks(low, high))


def _series(points: tuple[AccuracyPoint, ...]) -> list[tuple[str, str, list[AccuracyPoint]]]:
    """Name, title and points of each line: by method, and by target where there are several."""
    several = len({point.target for point in points}) > 1
    found: dict[tuple[str, str], list[AccuracyPoint]] = {}
    for point in points:
        found.setdefault((point.method, point.target), []).append(point)
    return [
        (f"{method} {target}" if several else method, f"{method} on {target}", own)
        for (method, target), own in found.items()
    ]


def _part(value: int, values: Sequence[int]) -> float:
    return (value - values[0]) / (values[-1] - values[0])


def _range(accuracies: list[float]) -> tuple[float, float]:
    return max(0.0, min(accuracies) - _MARGIN), min(1.0, max(accuracies) + _MARGIN)


def _x(part: float) -> int:
    return _LEFT + round(part * (WIDTH - _LEFT - _RIGHT))


def _y(accuracy: float, low: float, high: float) -> int:
    return _TOP + round((high - accuracy) / (high - low) * (HEIGHT - _TOP - _BOTTOM))


def _y_ticks(low: float, high: float) -> tuple[tuple[int, str], ...]:
    values = [low + (high - low) * n / _TICKS for n in range(_TICKS + 1)]
    return tuple((_y(value, low, high), percent(value)) for value in values)


def _thinned(places: dict[int, int]) -> tuple[tuple[int, str], ...]:
    """Ticks that leave room for their texts."""
    ticks: list[tuple[int, str]] = []
    for value, x in places.items():
        if not ticks or x - ticks[-1][0] >= 2 * _LABEL:
            ticks.append((x, str(value)))
    return tuple(ticks)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\u2026"


def _apart(lines: list[ChartLine]) -> tuple[ChartLine, ...]:
    """Names moved down, and then up again, so far that none covers another."""
    order = sorted(range(len(lines)), key=lambda n: lines[n].name_y)
    heights = dict[int, int]()
    lowest = 0
    for n in order:
        heights[n] = max(lines[n].name_y, lowest)
        lowest = heights[n] + _LABEL
    limit = HEIGHT - 2
    for n in reversed(order):
        heights[n] = min(heights[n], limit)
        limit = heights[n] - _LABEL
    return tuple(
        ChartLine(line.name, line.title, line.points, heights[n], line.dashes, line.hue) for n, line in enumerate(lines)
    )
