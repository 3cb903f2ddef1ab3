"""A report as one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..diagnostics import render_summary
from ..diagnostics.render import render_figures, render_place
from .content import Report
from .tables import percent, report_tables, summary_rows, utilisation

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Bar:
    """Utilisation of one resource: ``width`` and ``limit`` in percent of the drawing, which ends at the fullest."""

    label: str
    value: str
    width: float
    limit: float
    over: bool


def report_html(report: Report) -> str:
    """Render a page without any reference to the outside, readable in light and dark, on screen and on paper."""
    return _TEMPLATES.get_template("report.html.jinja").render(
        report=report,
        summary=summary_rows(report),
        tables=report_tables(report),
        bars=_bars(report),
        counts=render_summary(report.diagnostics),
        place=render_place,
        figures=render_figures,
    )


def _bars(report: Report) -> tuple[Bar, ...]:
    limited = [(row, used) for row in report.resources if (used := utilisation(row)) is not None]
    # The axis reaches at least the limit, so that an empty chip looks empty.
    longest = max([1.0, *(used for _, used in limited)])
    return tuple(
        Bar(
            label=f"{row.layer or 'chip'}: {row.name}",
            value=f"{row.used} of {row.limit} {row.unit} ({percent(used)})",
            width=round(100 * used / longest, 2),
            limit=round(100 / longest, 2),
            over=used > 1,
        )
        for row, used in limited
    )
