"""A report as GitHub-flavoured Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import render_markdown
from ..diagnostics.render import markdown_text
from .content import Report
from .core_drawing import cores_note
from .core_text import LEGEND, core_text
from .placed import CoreMap
from .printable import printable
from .resources import ResourceUse, resource_use
from .sections import tables_of
from .summary import decided_by, figures, findings, findings_note, in_words, made_from
from .tables import ReportTable, ledger_table
from .traffic_tables import chips_table

_WIDEST = 200
"""Columns of a map of cores; Markdown does not wrap it."""


def report_markdown(report: Report) -> str:
    """Render in the order of the other forms: summary, findings, layers, and then the rest."""
    return "\n\n".join(_parts(printable(report))) + "\n"


def _parts(report: Report) -> Iterator[str]:
    yield f"# {markdown_text(report.model.name)} on {markdown_text(report.target.title)}: {in_words(report.verdict)}"
    yield "\n".join(
        f"- **{each.label}**: {markdown_text(each.value)} ({markdown_text(each.note)})" for each in figures(report)
    )
    reason = decided_by(report)
    if reason is not None:
        yield f"Decided by {reason.code}: {markdown_text(reason.message)}"
    if report.diagnostics:
        found = "\n".join(render_markdown(each) for each in findings(report))
        yield _section("Findings", findings_note(report), found)
    if report.core_map is not None:
        yield _cores(report, report.core_map)
    if report.ledger:
        table = ledger_table(report.ledger)
        yield _section(table.title, table.note, markdown_table(table) if table.rows else "")
    for table in tables_of(report):
        yield _section(table.title, table.note, markdown_table(table))
    yield from _resources(resource_use(report.resources))
    if report.passes:
        yield _section("Passes", "", _pairs(tuple((each.name, each.effect) for each in report.passes)))
    yield _section("Made from", "", _pairs(made_from(report)))
    if report.target.notes:
        notes = "\n".join(f"- {markdown_text(note)}" for note in report.target.notes)
        yield _section("What is not known about the target", "", notes)


def _section(title: str, note: str, body: str) -> str:
    return "\n\n".join(part for part in (f"## {title}", markdown_text(note), body) if part)


def _cores(report: Report, cores: CoreMap) -> str:
    drawn = core_text(report, _WIDEST)
    block = f"{LEGEND}\n\n```text\n{drawn}\n```" if drawn else ""
    parts = (markdown_table(chips_table(report, cores)), block)
    return _section("Cores", cores_note(cores), "\n\n".join(part for part in parts if part))


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"- {markdown_text(name)}: {markdown_text(text)}" for name, text in pairs)


def _resources(use: ResourceUse) -> Iterator[str]:
    for table in (*use.tables, use.limits):
        if table is not None:
            yield _section(table.title, table.note, markdown_table(table))
    if use.unlimited:
        yield markdown_text(use.unlimited)


def markdown_table(table: ReportTable) -> str:
    """A table, with the small print of a cell below its text."""
    rules = ["---:" if column.numeric else "---" for column in table.columns]
    titles = [_cell(column.title, column.detail) for column in table.columns]
    rows = (titles, rules, *([_cell(cell.text, cell.detail) for cell in row] for row in table.rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(text: str, detail: str) -> str:
    return f"{markdown_text(text)}<br>{markdown_text(detail)}" if detail else markdown_text(text)
