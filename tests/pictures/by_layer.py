"""What the commands that measure layer by layer told of the shipped network, as docs/methods keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from spikec.compiler.analysis.energy import LayerOperations
from spikec.compiler.analysis.residuals import Residuals
from spikec.compiler.analysis.unevenness import Unevenness
from spikec.compiler.evaluation.by_layer import ByLayer, MethodLayers
from spikec.compiler.evaluation.layer_forms import confidence_text, energy_text, rmpe_text, unevenness_text
from spikec.compiler.evaluation.layer_plots import confidence_panels, energy_panels, rmpe_panels, unevenness_panels
from spikec.compiler.evaluation.picture import Panels, svg_panels
from spikec.compiler.methods.spike_confidence import Confidence

METHODS = Path(__file__).parents[2] / "docs" / "methods"


@dataclass(frozen=True)
class Measured:
    """A document that a command printed with ``--json``, and what the command makes of it."""

    name: str
    figures: Callable[..., Any]
    text: Callable[[ByLayer[Any]], str]
    panels: Callable[[ByLayer[Any]], Panels]
    drawn: bool = True

    def result(self) -> ByLayer[Any]:
        """What the document tells."""
        document = json.loads((METHODS / f"{self.name}.json").read_text(encoding="utf-8"))
        return ByLayer(
            document["timesteps"],
            document["samples"],
            document["target"],
            tuple(self._row(row) for row in document["rows"]),
        )

    def shows(self) -> bytes:
        """Everything that the picture asks of its figure and axes: the same whatever matplotlib makes of it."""
        return calls_of_panels(self.panels(self.result()))

    def draw(self) -> bytes:
        """The picture."""
        return svg_panels(self.panels(self.result()))

    def _row(self, row: dict[str, Any]) -> MethodLayers[Any]:
        layers = {}
        for each in row["layers"]:
            figures = {key: value for key, value in each.items() if key not in ("layer", "neurons")}
            layers[each["layer"]] = self.figures(**figures)
        neurons = {each["layer"]: each["neurons"] for each in row["layers"]}
        macs = row.get("energy", {}).get("macs_per_sample", 0)
        return MethodLayers(row["method"], row["model"], row["training"], neurons, layers, macs)


def calls_of_panels(panels: Panels) -> bytes:
    """Everything that ``panels`` ask of their figure and axes."""
    figure = Mock()
    axes = [getattr(figure, f"axes_{place}") for place in range(panels.rows * panels.columns)]
    panels.draw(figure, axes)
    calls = [[name, arguments, keywords] for name, arguments, keywords in figure.mock_calls]
    return json.dumps([panels.inches, calls], sort_keys=True, default=float).encode()


def _confidence(right: list[int], wrong: list[int], **counts: int) -> Confidence:
    return Confidence(**counts, right=tuple(right), wrong=tuple(wrong))


MEASURED = (
    Measured("rmpe", Residuals, rmpe_text, rmpe_panels),
    Measured("unevenness", Unevenness, partial(unevenness_text, given="layer"), unevenness_panels),
    Measured(
        "unevenness-network", Unevenness, partial(unevenness_text, given="network"), unevenness_panels, drawn=False
    ),
    Measured("energy", LayerOperations, energy_text, energy_panels),
    Measured("confidence", _confidence, confidence_text, confidence_panels),
)
