"""Accuracies that were measured elsewhere come into the report of the same model, and of no other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spikec.compiler.report import report_dict, report_from_json, report_html, report_json, report_markdown, report_text
from spikec.compiler.report.accuracy_file import read_accuracies
from spikec.compiler.report.accuracy_tables import accuracy_table
from spikec.compiler.report.chart import accuracy_charts
from spikec.compiler.report.placed import AccuracyPoint
from spikec.targets.diagnostic import UnusableInput

from .test_forms_of_a_report import report

DIGEST = "ab" * 32


def point(method: str, timesteps: int, accuracy: float, **changes: Any) -> AccuracyPoint:
    found = AccuracyPoint(method, None, "lava", timesteps, timesteps + 3, timesteps, accuracy, 500)
    return replace(found, **changes)


POINTS = (point("exact", 1, 0.7), point("exact", 4, 0.9), point("lmpc", 1, 0.725), point("lmpc", 4, 0.91))
GATES = (
    point("schedules", 4, 0.8, gated=0, latency=7),
    point("schedules", 4, 0.85, gated=2, latency=15),
)


def evaluation(digest: str = DIGEST) -> dict[str, Any]:
    def row(each: AccuracyPoint) -> dict[str, Any]:
        other = {"digest": "cd" * 32, "target": "lava", "accuracy": 0.1}
        mine = {"digest": digest, "target": "lava", "accuracy": each.accuracy}
        return {
            "method": each.method,
            "timesteps": each.timesteps,
            "latency": each.latency,
            "steps_per_sample": each.window,
            "samples": each.samples,
            "measurements": [other, mine],
        }

    return {"ann_accuracy": 0.95, "rows": [row(each) for each in reversed(POINTS)]}


def tradeoff() -> dict[str, Any]:
    points = [
        {"gated": ["x"] * (each.gated or 0), "latency": each.latency, "window": each.window, "accuracy": each.accuracy}
        for each in GATES
    ]
    return {"digest": DIGEST, "target": "lava", "timesteps": 4, "samples": 500, "points": points}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[object], Path]:
    """A file with that content, as JSON unless it is text."""

    def written(content: object) -> Path:
        path = tmp_path / "accuracy.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return written


def test_both_documents_are_read_in_order(file: Callable[[object], Path]) -> None:
    assert read_accuracies(file(evaluation()), DIGEST) == POINTS
    assert read_accuracies(file(tradeoff()), DIGEST) == GATES


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "null", "{}", '{"rows": 3}', '{"rows": [{}]}', '{"points": [[]]}', "[" * 100_000],
)
def test_other_files_are_refused(file: Callable[[object], Path], content: str) -> None:
    with pytest.raises(UnusableInput, match="this is not what"):
        read_accuracies(file(content), DIGEST)


@pytest.mark.parametrize(
    ("key", "value"),
    [("timesteps", 0), ("timesteps", True), ("latency", 1 << 40), ("method", 3), ("samples", 2.5), ("accuracy", "1")],
)
def test_figures_that_are_none_are_refused(file: Callable[[object], Path], key: str, value: object) -> None:
    content = evaluation()
    row = content["rows"][0]
    (row["measurements"][1] if key == "accuracy" else row)[key] = value
    with pytest.raises(UnusableInput, match="E638"):
        read_accuracies(file(content), DIGEST)
    for accuracy in (1.5, -0.1, float("nan")):
        row["measurements"][1]["accuracy"] = accuracy
        with pytest.raises(UnusableInput, match="E638"):
            read_accuracies(file(content), DIGEST)


def test_figures_of_another_model_are_refused(file: Callable[[object], Path]) -> None:
    with pytest.raises(UnusableInput, match="no figure in it was measured on the report's model"):
        read_accuracies(file(evaluation("ef" * 32)), DIGEST)
    with pytest.raises(UnusableInput, match="E638"):
        read_accuracies(Path("nowhere.json"), DIGEST)


def test_every_form_has_the_table() -> None:
    told = replace(report(), accuracies=(*POINTS, *GATES))
    for shown in (report_text(told), report_markdown(told), report_html(told)):
        assert "Accuracy against T" in shown
        assert "72.50 %" in shown
        assert "2 layers gated" in shown
    assert "Accuracy against T" not in report_text(report())
    assert accuracy_table(()) is None
    assert report_from_json(report_json(told)) == told
    assert "accuracies" not in report_dict(report())


def test_methods_are_drawn_against_t_and_schedules_against_latency() -> None:
    by_method, by_schedule = accuracy_charts((*POINTS, *GATES))
    assert [tick for _, tick in by_method.x_ticks] == ["1", "4"]
    assert [tick for _, tick in by_schedule.x_ticks] == ["7", "15"]
    assert [line.name for line in by_method.lines] == ["exact", "lmpc"]
    assert len({line.dashes for line in by_method.lines}) == 2, "lines differ without colour"
    first, second = (line.name_y for line in by_method.lines)
    assert abs(first - second) >= 14, "names do not cover each other"
    for line in by_method.lines:
        (x, y), (last_x, last_y) = line.points
        assert (x, last_x) == (by_method.left, by_method.right)
        assert by_method.top <= last_y < y <= by_method.bottom
    assert report_html(replace(report(), accuracies=POINTS)).count("<polyline") == 2
    assert accuracy_charts(POINTS[:1]) == ()


def test_lines_of_several_targets_are_told_apart() -> None:
    both = (*POINTS, *(replace(each, target="loihi1") for each in POINTS))
    (chart,) = accuracy_charts(both)
    assert [line.title for line in chart.lines] == [
        f"{method} on {target}" for target in ("lava", "loihi1") for method in ("exact", "lmpc")
    ]


def test_a_flat_line_and_many_names_stay_on_the_drawing() -> None:
    flat = tuple(point(f"method-{n:02}", steps, 1.0) for n in range(12) for steps in (1, 2))
    (chart,) = accuracy_charts(flat)
    heights = sorted(line.name_y for line in chart.lines)
    assert heights[-1] <= chart.height
    assert all(after - before >= 14 for before, after in itertools.pairwise(heights))
