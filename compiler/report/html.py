"""A report as one self-contained HTML page."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from ...targets.terminal.findings import render_figures, render_place
from .content import Report
from .costs import cost_tables
from .printable import printable
from .resources import resource_use
from .summary import figures, findings, findings_note, in_words, made_from, state_of
from .tables import layer_tables, ledger_table

if TYPE_CHECKING:
    from jinja2 import Environment


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
            counts=findings_note(shown),
            layer_tables=(*layer_tables(shown), *cost_tables(shown)),
            resources=resource_use(shown.resources),
            made_from=made_from(shown),
            place=render_place,
            measured=render_figures,
        )
    )
