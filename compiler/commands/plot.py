"""``spikec plot``: a kept table of methods as pictures, one for each question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options

if TYPE_CHECKING:
    from ..evaluation.chart import Chart, Diagram


@command()
@click.argument("tables", metavar="TABLE.json...", nargs=-1, required=True, type=click.Path(path_type=Path))
@option("--costs", metavar="COSTS.json", type=click.Path(), help="What 'zoo --costs --json' printed of the networks.")
@option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), required=True, help="Where they go.")
@json_option
@verbosity_options
def plot(tables: tuple[Path, ...], costs: str | None, output: Path, as_json: bool) -> None:
    """Draw what 'evaluate --json' printed: the best of each family against T, steps, the ANN, and cost of training.

    Several tables, of unlike rows on the same samples, are drawn as one. The
    files are named after the first: TABLE-accuracy.svg, -steps, -gap, -latency where rows have a latency budget, and
    -cost where costs are given.
    """
    from ...runtime.program.artefact import write_file
    from ..evaluation.chart import chart_panels
    from ..evaluation.kept_table import read_costs, read_tables
    from ..evaluation.picture import require_matplotlib, svg_panels
    from ..evaluation.questions import charts_of

    require_matplotlib()
    charts = charts_of(read_tables(tables), None if costs is None else read_costs(costs))
    drawn = {output / f"{tables[0].stem}-{chart.name}.svg": chart for chart in charts}
    for file, chart in drawn.items():
        write_file(file, svg_panels(chart_panels(chart)))
    if as_json:
        tell_json({"pictures": [{"file": str(file), **_document(chart)} for file, chart in drawn.items()]})
        return
    for file, chart in drawn.items():
        tell(f"{file}: {chart.question}")
    if costs is not None and all(chart.name != "cost" for chart in charts):
        tell("no picture of costs: the table's networks are not among those whose costs were given")


def _document(chart: Chart) -> dict[str, Any]:
    return {
        "question": chart.question,
        "across": chart.across.label,
        "diagrams": [
            {"up": each.up.label, "lines": _lines(each), "levels": dict(each.levels)} for each in chart.diagrams
        ],
    }


def _lines(diagram: Diagram) -> list[dict[str, Any]]:
    return [
        {"name": list(line.name), "dots": [{"at": dot.at, "value": dot.value, "error": dot.error} for dot in line.dots]}
        for line in diagram.lines
    ]
