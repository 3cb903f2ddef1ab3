"""What a table of methods is asked, a chart for each question; in every one the best of each family has a line.

accuracy    at T time steps
steps       within so many steps from one sample to the next, first passes and gates included
latency     within so many steps from a sample's first input to its result, where rows have a budget of them
gap         points to the ANN: the ReLU network of the same seed, or else the network that was converted
cost        of training, at few time steps
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import hypot, sqrt
from pathlib import PurePath
from statistics import fmean, stdev

from ...targets.records import dataclass
from ..methods.table import plain_name
from .chart import Axis, Chart, Diagram, Dot, Line, thinned, ticks
from .evaluation import Evaluation, EvaluationRow
from .families import Family, families_of, series_names, spans
from .kept_table import NetworkCost
from .picture import shown_name

_LETTERS = 23
"""Of a name beside a line."""
_FEW = 3
"""T that the costs are shown for, the smallest ones."""
_POINTS = tuple(sign * size for sign in (-1, 1) for size in (0, 1, 2, 5, 10, 20, 50, 100))
_UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
_UPWARDS = 4
_ACROSS = 4
"""Most steps between the ticks of an axis, upwards twice."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """A row's figure in points, its standard error (0 where unknown), and what the row's method is called."""

    row: EvaluationRow
    value: float
    error: float
    name: str


_Valued = Callable[[EvaluationRow], tuple[float, float]]


def charts_of(result: Evaluation, costs: Mapping[str, NetworkCost] | None = None) -> tuple[Chart, ...]:
    """Return the charts of a table, that of ``costs`` (by the name of a network's folder) where some are known."""
    budgets = any(plain_name(row.method) != row.method for row in result.rows)
    latency = (latency_chart(result),) if budgets else ()
    charts = (accuracy_chart(result), steps_chart(result), gap_chart(result), *latency)
    cost = None if costs is None else cost_chart(result, costs)
    return charts if cost is None else (*charts, cost)


def accuracy_chart(result: Evaluation) -> Chart:
    """Accuracy against T."""
    return _against_timesteps(
        result,
        ("accuracy", "How accurate is the best of each family after T time steps?"),
        _accuracy,
        lambda figures: _percent_axis(figures, "accuracy (%)", [level for _, level in _ann(result)]),
        _ann(result),
    )


def gap_chart(result: Evaluation) -> Chart:
    """Points to the ANN against T, dense where they are many."""
    return _against_timesteps(
        result,
        ("gap", "How far is the best of each family from the ANN?"),
        lambda row: gap_of(row, result),
        _points_axis,
        (("the ANN", 0.0),),
    )


def steps_chart(result: Evaluation) -> Chart:
    """Best accuracy within a number of steps per sample: lines rise where more steps bring more."""
    about = ("steps", "What do so many steps per sample buy?")
    return _within_steps(result, about, "steps from one sample to the next, at most", lambda row: row.steps_per_sample)


def latency_chart(result: Evaluation) -> Chart:
    """Best accuracy within a latency: what gates in some of the layers buy."""
    about = ("latency", "What does so much latency buy?")
    label = "steps from a sample's first input to its result, at most"
    return _within_steps(result, about, label, lambda row: row.latency)


def _within_steps(
    result: Evaluation, about: tuple[str, str], label: str, steps: Callable[[EvaluationRow], int]
) -> Chart:
    lines = []
    for family, figures in _by_family(result, _accuracy):
        rising = tuple(_rising(figures, steps))
        names = tuple(dict.fromkeys(each.name for each in rising))
        dots = tuple(Dot(steps(each.row), each.value, each.error) for each in rising)
        lines.append(Line(_named(family, ", ".join(names)), family.look, dots))
    across = _doubling_axis(label, sorted({steps(row) for row in result.rows}))
    up = _percent_axis(lines, "accuracy (%)", [level for _, level in _ann(result)])
    return Chart(*about, _shown(result), across, (Diagram(up, tuple(lines), _ann(result), stepped=True),))


def cost_chart(result: Evaluation, costs: Mapping[str, NetworkCost]) -> Chart | None:
    """Accuracy against what training took, for the smallest T; None where no network's cost is known.

    Where the seconds of one are not known, all are shown in epochs.
    """
    known = tuple(row for row in result.rows if None not in _costs(row, costs))
    if not known:
        return None
    found = [cost for row in known for cost in _costs(row, costs) if cost is not None]
    timed = all(cost.seconds is not None for cost in found)
    most = max(_trained(row, costs, timed) for row in known)
    unit, label = next(((u, f"{n} of training") for u, n in _UNITS if most >= 2 * u), (1, "seconds of training"))
    if not timed:
        unit, label = 1, "epochs of training"
    marks = ticks(0, most / unit, _ACROSS)
    across = Axis(f"{label}, with all that a network starts from", marks[0], marks[-1], _numbered(marks))
    diagrams = []
    for steps in sorted({row.timesteps for row in known})[:_FEW]:
        rows = tuple(row for row in known if row.timesteps == steps)
        lines = tuple(
            Line((shown_name(best.name),), family.look, (Dot(at, best.value, best.error),))
            for family, figures in _by_family(result, _accuracy, rows)
            for best in [max(figures, key=lambda each: each.value)]
            for at in [_trained(best.row, costs, timed) / unit]
        )
        diagrams.append(Diagram(_percent_axis(lines, f"% at T = {steps}", []), lines))
    question = "What does the best of each family cost to train?"
    return Chart("cost", question, _shown(result), across, tuple(diagrams))


def gap_of(row: EvaluationRow, result: Evaluation) -> tuple[float, float]:
    """Points to the ANN and their standard error: on the same samples where kept, or else over networks alone."""
    if row.to_ann is not None:
        return 100 * row.to_ann.mean, 100 * row.to_ann.error
    relu = {m.seed: m.ann_accuracy for each in result.rows if each.training == "relu" for m in each.measurements}
    gaps = [100 * (m.accuracy - relu.get(m.seed, m.ann_accuracy)) for m in row.measurements]
    return fmean(gaps), stdev(gaps) / sqrt(len(gaps)) if len(gaps) > 1 else 0.0


def _against_timesteps(
    result: Evaluation,
    about: tuple[str, str],
    valued: _Valued,
    upwards: Callable[[Sequence[Line]], Axis],
    levels: tuple[tuple[str, float], ...],
) -> Chart:
    lines = []
    for family, figures in _by_family(result, valued):
        best = _best_at_each(figures)
        dots = tuple(Dot(each.row.timesteps, each.value, each.error) for each in best)
        which = ", ".join(spans([each.name for each in best], [each.row.timesteps for each in best]))
        lines.append(Line(_named(family, which), family.look, dots))
    across = _doubling_axis("time steps T", sorted({row.timesteps for row in result.rows}))
    return Chart(*about, _shown(result), across, (Diagram(upwards(lines), tuple(lines), levels),))


def _by_family(
    result: Evaluation, valued: _Valued, rows: Sequence[EvaluationRow] | None = None
) -> Iterator[tuple[Family, tuple[_Figure, ...]]]:
    """Figures of each family's rows, of some where ``rows`` are given; families look as in the whole table."""
    names = series_names(result.rows)
    for family in families_of(result.rows):
        mine = [row for row in family.rows if rows is None or row in rows]
        if mine:
            yield family, tuple(_Figure(row, *valued(row), shown_name(names[row.method, row.training])) for row in mine)


def _best_at_each(figures: Sequence[_Figure]) -> tuple[_Figure, ...]:
    timesteps = sorted({each.row.timesteps for each in figures})
    return tuple(max((f for f in figures if f.row.timesteps == t), key=lambda f: f.value) for t in timesteps)


def _rising(figures: Sequence[_Figure], steps: Callable[[EvaluationRow], int]) -> Iterator[_Figure]:
    """Figures that are better than all that take as many steps or fewer."""
    best: float | None = None
    for each in sorted(figures, key=lambda f: (steps(f.row), -f.value)):
        if best is None or each.value > best:
            best = each.value
            yield each


def _accuracy(row: EvaluationRow) -> tuple[float, float]:
    networks = len(row.measurements)
    over_networks = (row.spread or 0.0) / sqrt(networks)
    return 100 * row.accuracy, 100 * hypot(row.error or 0.0, over_networks)


def _ann(result: Evaluation) -> tuple[tuple[str, float], ...]:
    """The float networks as a level: those with ReLU, or all where they are of one kind; no level otherwise."""
    kinds = dict(result.ann_accuracy)
    kind = "relu" if "relu" in kinds else next(iter(kinds), "")
    return (("the ANN", 100 * kinds[kind]),) if kind in kinds and (kind == "relu" or len(kinds) == 1) else ()


def _costs(row: EvaluationRow, costs: Mapping[str, NetworkCost]) -> list[NetworkCost | None]:
    return [costs.get(PurePath(m.model).parent.name) for m in row.measurements]


def _trained(row: EvaluationRow, costs: Mapping[str, NetworkCost], timed: bool) -> float:
    known = [cost for cost in _costs(row, costs) if cost is not None]
    return fmean((cost.seconds or 0.0) if timed else cost.epochs for cost in known)


def _named(family: Family, methods: str) -> tuple[str, ...]:
    """A family's name, and below it which of its methods it is, where that is another."""
    title = shown_name(family.name)
    same = methods.lower() == family.name.lower()
    return (title,) if same else (title, *textwrap.wrap(methods, _LETTERS, break_on_hyphens=False))


def _shown(result: Evaluation) -> str:
    networks = max(len(row.measurements) for row in result.rows)
    over = "1 network" if networks == 1 else f"mean of {networks} networks, ± standard error"
    return f"integer programs, simulated, {result.samples:,} test samples, {over}"


def _percent_axis(lines: Sequence[Line], label: str, levels: Sequence[float]) -> Axis:
    values = [*(dot.value + s * dot.error for line in lines for dot in line.dots for s in (-1, 1)), *levels]
    marks = ticks(max(min(values), 0.0), min(max(values), 100.0), 2 * _UPWARDS)
    return Axis(label, marks[0], marks[-1], _numbered(marks))


def _points_axis(lines: Sequence[Line]) -> Axis:
    values = [dot.value + s * dot.error for line in lines for dot in line.dots for s in (-1, 1)]
    low, high = min(-1.0, *values), max(1.0, *values)
    marks = tuple((each, f"{each:+g}" if each else "0") for each in sorted(set(_POINTS)) if low <= each <= high)
    return Axis("points to the ANN", low, high, marks, "points")


def _doubling_axis(label: str, numbers: Sequence[int]) -> Axis:
    low, high = numbers[0] / 1.2, numbers[-1] * 1.2
    return Axis(label, low, high, thinned(numbers, Axis(label, low, high, (), "log2")), "log2")


def _numbered(marks: Sequence[float]) -> tuple[tuple[float, str], ...]:
    return tuple((each, f"{each:g}") for each in marks)
