"""The graph of a report's layers: what is drawn, what stands beside it, and where its links lead."""

from __future__ import annotations

import re
from dataclasses import replace

from spikec.compiler.report import Report, report_html
from spikec.compiler.report.network_graph import ROW, graph_table, network_graph
from spikec.compiler.report.summary import decided_by, figures
from spikec.targets.diagnostic import Diagnostic, Place

from .test_costs_told import COST, told
from .test_forms_of_a_report import ACTIVITY, CORES, TRAFFIC, layer, report, with_findings
from .test_maps_of_cores import MESH, mapped


def block() -> Report:
    """A chain of two layers, and a third that sums both."""
    layers = (layer("a"), layer("b", sources=("a",)), layer("c", sources=("b", "a")))
    return replace(report("a", "b", "c"), layers=layers)


def test_every_layer_has_a_row_and_a_node_beside_it() -> None:
    graph = network_graph(block())
    assert graph is not None
    assert [node.key for node in graph.nodes] == ["in", "A", "B", "C"]
    assert [node.y for node in graph.nodes] == [ROW * n + ROW // 2 for n in (1, 2, 3, 4)], "below the heading"
    assert [node.is_joined for node in graph.nodes] == [False, False, False, True]
    assert [row[0].text for row in graph.table.rows] == ["input", "a", "b", "c"]
    assert [row[1].text for row in graph.table.rows] == ["", "input", "A", "B A"]
    assert graph.height == 5 * ROW
    x, side = graph.nodes[0].x, graph.nodes[0].x + graph.width // 2
    assert f"M{x} {graph.nodes[1].y}C{x} " in " ".join(graph.paths), "the shortcut leaves for the side"
    assert any(path.startswith(f"M{side} ") and f" {x} {graph.nodes[3].y}" in path for path in graph.paths)


def test_many_branches_are_drawn_narrow_with_letters_in_the_table() -> None:
    branches = [f"b{n}" for n in range(9)]
    layers = (layer("a"), *(layer(name, sources=("a",)) for name in branches), layer("z", sources=tuple(branches)))
    graph = network_graph(replace(report("a", *branches, "z"), layers=layers))
    assert graph is not None
    assert not graph.has_letters
    assert graph.width < 200
    assert [row[0].key for row in graph.table.rows][1:4] == ["A", "B", "C"]
    assert len({node.x for node in graph.nodes}) == 9


def test_without_sources_there_is_no_graph() -> None:
    assert network_graph(replace(report(), layers=(layer("a", sources=()),))) is None
    assert network_graph(told(COST)) is None
    page = report_html(with_findings(Diagnostic("W317", "graded", Place(layer="input"))))
    assert 'href="#input"' in page
    old = replace(report(), layers=(layer("a", sources=()), layer("b", sources=())))
    assert 'href="#input"' not in report_html(
        replace(old, diagnostics=(Diagnostic("W317", "x", Place(layer="input")),))
    )


def test_costs_stand_beside_the_graph() -> None:
    rows = tuple(replace(row, layer=name) for row, name in zip(COST.rows, "ab", strict=True))
    priced = graph_table(replace(report(), cost=replace(COST, rows=rows)), with_keys=False)
    assert [column.title for column in priced.columns][-2:] == ["energy", "share"]
    assert [cell.text for cell in priced.rows[1][-2:]] == ["3 uJ", "75.0 %"]
    counted = graph_table(replace(report(), cost=replace(COST, rows=rows, estimate=None)), with_keys=False)
    assert [column.title for column in counted.columns][-2:] == ["events", "share"]
    assert [cell.text for cell in counted.rows[2][-2:]] == ["51.8 k", "100.0 %"]
    assert [cell.text for cell in counted.rows[1][-2:]] == ["0", "0.0 %"]
    assert "share" not in [column.title for column in graph_table(report(), with_keys=False).columns]


def test_every_link_leads_somewhere() -> None:
    found = (
        Diagnostic("E308", "weights", Place(layer="a")),
        Diagnostic("W307", "thresholds", Place(layer="b", layers=("a", "b"))),
    )
    whole = replace(
        with_findings(*found),
        core_map=CORES,
        traffic=TRAFFIC,
        activity=ACTIVITY,
        layers=(layer("a", codes=("E308",)), layer("b")),
    )
    page = report_html(whole)
    targets = re.findall(r'href="#([^"]+)"', page)
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert set(targets) <= set(identifiers)
    assert {"finding-1", "layer-1", "layer-2"} <= set(targets)
    assert len(identifiers) == len(set(identifiers))
    assert page.count("; see <a") == 2


def test_the_verdict_comes_with_three_figures_and_what_decided_it() -> None:
    error, warning, assumed = (
        Diagnostic("E308", "weights"),
        Diagnostic("W307", "thresholds"),
        Diagnostic("W317", "graded", assumed=True),
    )
    whole = replace(with_findings(warning, assumed, error), core_map=MESH)
    assert [figure.label for figure in figures(whole) if figure.decides] == ["verdict", "cores", "accuracy", "latency"]
    assert decided_by(whole) == error
    assert decided_by(with_findings(warning, assumed)) == assumed
    assert decided_by(replace(with_findings(warning, assumed), strict=True)) == warning
    assert decided_by(with_findings(Diagnostic("I999", "remark"))) is None
    assert "Decided by" not in report_html(mapped(MESH))
