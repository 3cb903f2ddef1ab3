"""The pictures in the docs: what each shows, how it is drawn, and the record of what it showed when it was drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from spikec import CompileOptions, compile_model
from spikec.compiler.evaluation import tradeoff_plot
from spikec.compiler.evaluation.chart import Chart, chart_panels
from spikec.compiler.evaluation.evaluation import Evaluation
from spikec.compiler.evaluation.kept_table import read_costs, read_tables
from spikec.compiler.evaluation.picture import svg_panels, svg_picture
from spikec.compiler.evaluation.questions import charts_of
from spikec.compiler.report import report_html
from spikec.models.commands.demo import load_shipped_samples
from spikec.models.shipped import shipped_model

from .browser import screenshot
from .by_layer import MEASURED, METHODS, calls_of_panels

DOCS = Path(__file__).parents[2] / "docs"
RECORD = DOCS / "pictures.json"
COMMAND = "bash .ci/pictures"
_CALIBRATION_IMAGES = 128
_REPORT_PIXELS = (1200, 1664)


@dataclass(frozen=True, slots=True)
class Picture:
    """A file below docs. ``shows`` gives all that is seen on it, without drawing it; ``draw`` gives the file."""

    name: str
    shows: Callable[[], bytes]
    draw: Callable[[], bytes]

    @property
    def file(self) -> Path:
        """Where it lies."""
        return DOCS / self.name


def report_page() -> str:
    """The report of the shipped network on Loihi 1, calibrated on few images so that it takes seconds."""
    _, calibration = load_shipped_samples()
    options = CompileOptions(target="loihi1", timesteps=4, calibration=calibration.first(_CALIBRATION_IMAGES))
    return report_html(compile_model(shipped_model(), options).report)


def evaluation_of(name: str) -> Evaluation:
    """What ``spikec evaluate --json`` printed into the tables of ``name`` in ``docs/methods``."""
    return read_tables([METHODS / f"{part}.json" for part in EVALUATIONS[name]])


def charts_in(name: str) -> tuple[Chart, ...]:
    """What ``spikec plot docs/methods/<name>.json`` draws, with the costs that lie beside it, if they do."""
    costs = METHODS / f"{name}-costs.json"
    return charts_of(evaluation_of(name), read_costs(costs) if costs.is_file() else None)


def calls_of(draw: Callable[[Any], None], inches: tuple[float, float]) -> bytes:
    """Everything that ``draw`` asks of its axes: the same whatever matplotlib makes of it."""
    axes = Mock()
    draw(axes)
    calls = [[name, arguments, keywords] for name, arguments, keywords in axes.mock_calls]
    return json.dumps([inches, calls], sort_keys=True, default=float).encode()


def _plot(name: str, draw: Callable[[Any], None], inches: tuple[float, float]) -> Picture:
    return Picture(name, lambda: calls_of(draw, inches), lambda: svg_picture(draw, inches))


def _chart(name: str, chart: Chart) -> Picture:
    panels = chart_panels(chart)
    return Picture(f"methods/{name}-{chart.name}.svg", partial(calls_of_panels, panels), partial(svg_panels, panels))


def _draw_tradeoff(axes: Any) -> None:
    shown = json.loads((DOCS / "tradeoff.json").read_text(encoding="utf-8"))
    marks = [tradeoff_plot.Mark(**point) for point in shown["points"]]
    tradeoff_plot.draw_tradeoff(axes, shown["ann_accuracy"], shown["timesteps"], marks)


EVALUATIONS = {
    "fashion-mnist": ("fashion-mnist",),
    "cifar10-resnet20": ("cifar10-resnet20", "cifar10-resnet20-trained"),
    "activity": ("activity",),
}
"""By name the files of a table, measured by a command each."""

PICTURES = (
    Picture("report.png", lambda: report_page().encode(), lambda: screenshot(report_page(), *_REPORT_PIXELS)),
    _plot("tradeoff.svg", _draw_tradeoff, tradeoff_plot.INCHES),
    *(_chart(name, chart) for name in EVALUATIONS for chart in charts_in(name)),
    *(Picture(f"methods/{each.name}.svg", each.shows, each.draw) for each in MEASURED if each.drawn),
)


def digest(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


def recorded() -> dict[str, dict[str, str]]:
    """By picture the digests of its file and of what it shows, when it was drawn."""
    found: dict[str, dict[str, str]] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return found
