"""A report as one self-contained HTML page."""

from __future__ import annotations

import functools
import html
from pathlib import Path
from typing import TYPE_CHECKING

from ...targets.terminal.findings import render_figures, render_place
from .chart import accuracy_charts
from .content import Report
from .core_drawing import core_drawing, cores_note
from .network_graph import network_graph
from .printable import printable
from .resources import resource_use
from .sections import rows_of, tables_of
from .summary import decided_by, figures, findings, findings_note, in_words, made_from, state_of
from .tables import ledger_table
from .traffic_tables import chips_table

if TYPE_CHECKING:
    from jinja2 import Environment

_FRAME = 900
"""Height in a notebook, in pixels; the rest is scrolled to."""


@functools.cache
def _templates() -> Environment:
    # Loaded when a page is made: a check that prints text does without.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def report_frame(report: Report) -> str:
    """Render the page as an element of another page."""
    page = html.escape(report_html(report), quote=True)
    return f'<iframe title="report" sandbox srcdoc="{page}" width="100%" height="{_FRAME}" frameborder="0"></iframe>'


def report_html(report: Report) -> str:
    """Render a page without any reference to the outside, readable in light and dark, on screen and on paper."""
    shown = printable(report)
    return (
        _templates()
        .get_template("report.html.jinja")
        .render(
            report=shown,
            verdict=in_words(shown.verdict),
            state=state_of(shown.verdict),
            figures=figures(shown),
            ledger=ledger_table(shown.ledger),
            findings=findings(shown),
            decided_by=decided_by(shown),
            counts=findings_note(shown),
            rows_of=functools.partial(rows_of, report=shown),
            graph=network_graph(shown),
            cores=None if shown.core_map is None else chips_table(shown, shown.core_map),
            cores_note="" if shown.core_map is None else cores_note(shown.core_map),
            drawn_cores=core_drawing(shown),
            tables=tables_of(shown),
            charts=accuracy_charts(shown.accuracies),
            resources=resource_use(shown.resources),
            made_from=made_from(shown),
            place=render_place,
            measured=render_figures,
        )
    )
