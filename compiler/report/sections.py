"""The tables of a report in the order of every rendering, and what leads to their rows on a page."""

from __future__ import annotations

from ...runtime.program import INPUT
from ...targets.diagnostic import Diagnostic
from .accuracy_tables import accuracy_table
from .beside import beside_table
from .content import Report
from .costs import cost_tables
from .tables import ReportTable, layer_tables
from .traffic_tables import activity_table, traffic_tables


def tables_of(report: Report) -> tuple[ReportTable, ...]:
    """All tables but those of the ledger, of chips and of resources, as far as there is something in them."""
    layers = layer_tables(report)
    found = (
        accuracy_table(report.accuracies),
        *layers[:1],
        *traffic_tables(report),
        activity_table(report),
        *cost_tables(report),
        None if report.cost is None else beside_table(report.beside, report.cost.samples),
        *layers[1:],
    )
    return tuple(table for table in found if table is not None)


def rows_of(finding: Diagnostic, report: Report) -> tuple[tuple[str, str], ...]:
    """Names of the layers that a finding is about, each with the anchor of its row."""
    anchors = {row.name: f"layer-{number}" for number, row in enumerate(report.layers, 1)}
    if report.layers and all(row.sources for row in report.layers):
        anchors[INPUT] = "input"
    names = dict.fromkeys((finding.place.layer, *finding.place.layers))
    return tuple((name, anchors[name]) for name in names if name is not None and name in anchors)
