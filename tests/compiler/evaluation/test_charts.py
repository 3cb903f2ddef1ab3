"""Charts of a table: what they show, that names never lie on each other, and that any table can be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.evaluation.chart import INK, LOOKS, SMALL, Chart, apart, chart_panels, ticks
from spikec.compiler.evaluation.evaluation import Evaluation, EvaluationRow, Measurement
from spikec.compiler.evaluation.families import KNOWN, MOST, OTHERS, families_of
from spikec.compiler.evaluation.kept_table import NetworkCost, read_costs, read_table, read_tables
from spikec.compiler.evaluation.paired import Difference
from spikec.compiler.evaluation.questions import charts_of
from spikec.compiler.methods.table import METHODS
from spikec.targets.diagnostic import UnusableInput

GROUNDS = (1.0, 0.0055)
"""Luminance of white, and of the dark ground of a code host."""


def row(method: str, timesteps: int, accuracies: tuple[float, ...], **other: Any) -> EvaluationRow:
    measurements = tuple(Measurement(f"seed-{s}/net/model.onnx", s, 0, 0.9, a, None) for s, a in enumerate(accuracies))
    spread = other.pop("spread", 0.01 if len(accuracies) > 1 else None)
    steps = other.pop("steps", timesteps)
    mean = sum(accuracies) / len(accuracies)
    training = other.pop("training", "round")
    return EvaluationRow(
        method, training, timesteps, mean, spread, None, None, steps + 7, steps, True, True, measurements, **other
    )


def drawn_texts(chart: Chart) -> tuple[list[Any], Any]:
    """Boxes of all visible text as matplotlib sets it at 100 pixels to the inch, and that of the picture."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    panels = chart_panels(chart)
    with rc_context({"text.parse_math": False}):
        figure = Figure(figsize=panels.inches, dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        panels.draw(figure, figure.subplots(panels.rows, panels.columns, squeeze=False).ravel().tolist())
        canvas.draw()  # type: ignore[no-untyped-call]
    texts = [each for each in figure.findobj(Text) if each.get_visible() and each.get_text().strip()]
    assert all(float(each.get_fontsize()) >= SMALL for each in texts)
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    return [each.get_window_extent(renderer) for each in texts], figure.bbox


def overlaps(boxes: list[Any]) -> Iterator[tuple[Any, Any]]:
    for one, other in combinations(boxes, 2):
        if min(one.x1, other.x1) > max(one.x0, other.x0) and min(one.y1, other.y1) > max(one.y0, other.y0):
            yield one, other


TABLE = Evaluation(
    {"relu": 0.9, "round": 0.88},
    10000,
    (
        row("opi", 1, (0.2, 0.3)),
        row("lmpc", 1, (0.5, 0.6), training="floor"),
        row("lmpc", 2, (0.7, 0.8), training="floor"),
        row("lmpc", 2, (0.75, 0.85), error=0.004, to_ann=Difference(-0.1, 0.02)),
        row("exact", 2, (0.9, 0.91), steps=4),
        row("graded", 1, (0.92,)),
    ),
)


def test_lines_names_and_figures(golden: Callable[[str, str], None]) -> None:
    costs = {"net": NetworkCost(20, 7200.0)}
    lines = []
    for chart in charts_of(TABLE, costs):
        lines.append(f"{chart.name}: {chart.question} | {chart.shown} | {chart.across.label}")
        for diagram in chart.diagrams:
            lines.append(f"  {diagram.up.label} {[text for _, text in diagram.up.ticks]} {diagram.levels}")
            for line in diagram.lines:
                dots = " ".join(f"{dot.at:g}:{dot.value:.3f}±{dot.error:.3f}" for dot in line.dots)
                lines.append(f"    {line.look} {' / '.join(line.name)}: {dots}")
    golden("charts.txt", "\n".join(lines) + "\n")


def test_budgets_are_drawn_against_the_latency_that_they_buy() -> None:
    """As points of the line of the exact schedule; a table without budgets has no such picture."""
    steps = {"qcfs": 4, "mixed:16": 8, "mixed:20": 9, "exact": 12}
    rows = tuple(row(method, 4, (0.7 + n / 50,), steps=s) for n, (method, s) in enumerate(steps.items()))
    (chart,) = (each for each in charts_of(replace(TABLE, rows=rows)) if each.name == "latency")
    lines = {line.name[0]: [dot.at for dot in line.dots] for line in chart.diagrams[0].lines}
    assert lines == {"QCFS": [11], "exact": [15, 16, 19]}
    assert " ".join(chart.diagrams[0].lines[-1].name) == "exact mixed:16, mixed:20, exact"
    assert "latency" not in [each.name for each in charts_of(TABLE)]


def test_every_method_but_new_ones_is_in_one_family() -> None:
    listed = [method for methods in KNOWN.values() for method in methods]
    assert len(listed) == len(set(listed))
    assert len(KNOWN) <= MOST <= len(LOOKS)
    assert set(METHODS) - {"graded"} <= set(listed)


def test_families_beyond_what_a_picture_holds_are_one() -> None:
    found = families_of([row(f"new {n}", 1, (0.5,)) for n in range(12)] + [row("qcfs", 1, (0.5,))])
    assert len(found) == MOST
    assert found[-1].name == OTHERS
    assert sum(len(family.rows) for family in found) == 13
    assert len({family.look for family in found}) == MOST


def test_calibration_on_networks_of_another_familys_training_belongs_to_it() -> None:
    rows = [row("lmpc", 1, (0.5,), training=kind) for kind in ("floor", "deploy", "lwc")]
    found = {family.name: [each.training for each in family.rows] for family in families_of(rows)}
    assert found == {"potentials, calibration": ["floor"], "two-stage QC-ANN": ["lwc"], "trained": ["deploy"]}


@pytest.mark.parametrize("colour", [INK, *(colour for colour, _ in LOOKS)])
def test_colours_stand_out_on_white_and_on_dark(colour: str) -> None:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    least = 4.2 if colour == INK else 3.0
    assert all(max(g, luminance) + 0.05 >= least * (min(g, luminance) + 0.05) for g in GROUNDS)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 0.125)), min_size=1, max_size=8))
def test_intervals_are_kept_apart_and_inside(given_ones: list[tuple[float, float]]) -> None:
    ordered = sorted(given_ones)
    sizes = [size for _, size in ordered]
    middles = apart([middle for middle, _ in ordered], sizes)
    ends = [edge for m, s in zip(middles, sizes, strict=True) for edge in (m - s / 2, m + s / 2)]
    assert all(a <= b + 1e-9 for a, b in zip([0.0, *ends], [*ends, 1.0], strict=True))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (99.996, 99.9961, (99.9, 100.0)),
        (100.0, 100.0, (99.9, 100.0)),
        (0.0, 0.0, (0.0, 0.1)),
        (61.0, 92.0, (60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 95.0)),
        (0.0, 32.0, (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0)),
    ],
)
def test_ticks_are_round_and_short(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high, 8) == expected


@st.composite
def tables(draw: st.DrawFn) -> Evaluation:
    methods = draw(
        st.lists(st.sampled_from([*METHODS, "graded", "mixed:12", "$new$ one", "n" * 60]), min_size=1, max_size=9)
    )
    timesteps = draw(st.lists(st.integers(1, 4096), min_size=1, max_size=9, unique=True))
    networks = draw(st.integers(1, 3))
    share = st.floats(0, 1)
    rows = tuple(
        row(
            method,
            steps,
            tuple(draw(share) for _ in range(networks)),
            steps=steps * draw(st.integers(1, 3)),
            error=draw(st.none() | st.floats(0, 0.1)),
        )
        for method in methods
        for steps in timesteps
    )
    return Evaluation(draw(st.sampled_from([{}, {"relu": 0.9}, {"round": 1.0}])), draw(st.integers(1, 10**6)), rows)


@settings(max_examples=4, deadline=None)
@given(tables(), st.sampled_from([None, 3.0, 1e6]))
def test_any_table_is_drawn_and_no_text_lies_on_another(table: Evaluation, seconds: float | None) -> None:
    for chart in charts_of(table, {"net": NetworkCost(12, seconds)}):
        boxes, picture = drawn_texts(chart)
        assert not [(str(a), str(b)) for a, b in overlaps(boxes)], chart.name
        assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= picture.x1 and box.y1 <= picture.y1 for box in boxes)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ann_accuracy": {}, "rows": []}', '{"rows": [1]}', "[" * 9999])
def test_files_that_are_no_table_or_no_costs_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.json").write_text(text)
    for read in (read_table, read_costs):
        with pytest.raises(UnusableInput) as refused:
            read(tmp_path / "table.json")
        assert [each.code for each in refused.value.diagnostics] == ["E638"]


def test_tables_of_unlike_rows_are_drawn_as_one(tmp_path: Path) -> None:
    document = json.loads(json.dumps(TABLE.document()))
    method = document["rows"][0]["method"]
    parts = [
        {**document, "rows": [r for r in document["rows"] if (r["method"] == method) == first]} for first in (1, 0)
    ]
    files = [tmp_path / f"{number}.json" for number in range(2)]
    for file, part in zip(files, parts, strict=True):
        file.write_text(json.dumps(part))
    joined = read_tables(files)
    assert {(r.method, r.timesteps, r.accuracy) for r in joined.rows} == {
        (r.method, r.timesteps, r.accuracy) for r in TABLE.rows
    }
    assert [c.name for c in charts_of(joined)] == [c.name for c in charts_of(TABLE)]
    with pytest.raises(UnusableInput, match="a row of it stands in another table too"):
        read_tables([*files, files[1]])
    fewer = {**parts[1], "rows": [{**r, "samples": 7} for r in parts[1]["rows"]]}
    files[1].write_text(json.dumps(fewer))
    with pytest.raises(UnusableInput, match="its rows are of another number of samples"):
        read_tables(files)


def test_costs_are_those_of_the_networks_that_a_row_ran_on(tmp_path: Path) -> None:
    networks = [{"name": "net", "seeds": 2, "epochs": 12.0, "seconds": None}]
    (tmp_path / "costs.json").write_text(json.dumps({"networks": networks}))
    costs = read_costs(tmp_path / "costs.json")
    assert costs == {"net": NetworkCost(12.0, None)}
    assert charts_of(TABLE, costs)[-1].across.label.startswith("epochs of training")
    assert [chart.name for chart in charts_of(TABLE, {})] == ["accuracy", "steps", "gap"]
