"""A report as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...targets.diagnostic import Diagnostic
from ...targets.terminal.findings import node_names
from ..diagnostics import render_block
from .columns import filled, listed, text_table
from .content import Report
from .core_drawing import cores_note
from .core_text import LEGEND, core_text
from .placed import CoreMap
from .printable import printable
from .resources import ResourceUse, resource_use
from .sections import tables_of
from .summary import decided_by, figures, findings, findings_note, made_from
from .tables import Cell, ReportTable, ledger_table
from .traffic_tables import chips_table

WIDTH = 80
"""Columns where nothing is known of a terminal."""
_NARROWEST = 40


def report_text(report: Report, width: int = WIDTH) -> str:
    """Render in lines of at most ``width`` characters (40 at least): summary, findings, layers, and then the rest."""
    return "\n\n".join(_parts(printable(report), max(width, _NARROWEST))) + "\n"


def _parts(report: Report, width: int) -> Iterator[str]:
    yield filled(f"verdict: {report.verdict} ({findings_note(report)})", width)
    yield filled(f"{report.model.name} on {report.target.title}", width)
    known = tuple((each.label, f"{each.value}, {each.note}") for each in figures(report) if each.label != "verdict")
    if known:
        yield listed(known, width)
    reason = decided_by(report)
    if reason is not None:
        yield filled(f"decided by {reason.code}: {reason.message}", width)
    if report.diagnostics:
        yield _section("Findings", "", "\n\n".join(_finding(each, width) for each in findings(report)), width)
    if report.core_map is not None:
        yield _cores(report, report.core_map, width)
    if report.ledger:
        yield _tabled(ledger_table(report.ledger), width)
    for table in tables_of(report):
        yield _tabled(table, width)
    yield from _resources(resource_use(report.resources), width)
    if report.passes:
        yield _section("Passes", "", listed(tuple((each.name, each.effect) for each in report.passes), width), width)
    origins = tuple((row.name, node_names(row.onnx)) for row in report.layers if row.onnx)
    if origins:
        yield _section("ONNX nodes", "", listed(origins, width), width)
    yield _section("Made from", "", listed(made_from(report), width), width)
    if report.target.notes:
        notes = (filled(note, width, first="- ", hang="  ") for note in report.target.notes)
        yield _section("What is not known about the target", "", "\n".join(notes), width)


def _section(title: str, note: str, body: str, width: int) -> str:
    parts = (title, "-" * len(title), filled(note, width), body)
    return "\n".join(part for part in parts if part)


def _tabled(table: ReportTable, width: int) -> str:
    return _section(table.title, table.note, text_table(table, width) if table.rows else "", width)


def _cores(report: Report, cores: CoreMap, width: int) -> str:
    drawn = core_text(report, width)
    legend = filled(LEGEND, width) if drawn else ""
    parts = (text_table(chips_table(report, cores), width), legend, drawn)
    return _section("Cores", cores_note(cores), "\n\n".join(part for part in parts if part), width)


def _finding(diagnostic: Diagnostic, width: int) -> str:
    head, *rest = render_block(diagnostic).split("\n")
    return "\n".join((filled(head, width, hang="  "), *(filled(line, width, hang="     ") for line in rest)))


def _resources(use: ResourceUse, width: int) -> Iterator[str]:
    for table in use.tables:
        yield _tabled(table, width)
    if use.limits is not None:
        yield _section("Limits", "", listed(tuple(_limit(row) for row in use.limits.rows), width), width)
    if use.unlimited:
        yield filled(use.unlimited, width)


def _limit(row: tuple[Cell, ...]) -> tuple[str, str]:
    name, limit, unit, status, source = (cell.text for cell in row)
    return name, f"{limit} {unit}, {status}: {source}"
