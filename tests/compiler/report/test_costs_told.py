"""What a report says of energy and time, in every form, with figures per event and without."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikec import targets
from spikec.compiler.frontend.model_section import ModelSection
from spikec.compiler.report import (
    CostRow,
    CostSection,
    Estimate,
    Report,
    build_report,
    report_dict,
    report_from_json,
    report_html,
    report_json,
    report_markdown,
    report_text,
)
from spikec.compiler.report.costs import cost_tables
from spikec.compiler.report.summary import energy_figure, figures

ESTIMATE = Estimate(
    source="a data sheet",
    status="estimated",
    joules=4e-6,
    joules_least=3e-6,
    joules_most=5.5e-6,
    joules_by_part={"synapse": 2e-6, "soma": 1.5e-6, "network": 0.5e-6},
    input_joules=1e-7,
    seconds=312e-6,
    seconds_streamed=1.9e-4,
)
COST = CostSection(
    crossings=12.0,
    samples=16,
    steps=11,
    host_messages=1276.5,
    host_values=10,
    rows=(CostRow("conv", 1534.25, 1629.0, 40.0, 0.0, 22528.0, 3e-6), CostRow("fc", 0, 0, 0, 51785, 40, 1e-6)),
    estimate=ESTIMATE,
    reason="",
    neurobench={"footprint": 621742.0, "connection_sparsity": 0.25, "activation_sparsity": 0.875},
    synaptic_operations={"Effective_MACs": 6.0, "Effective_ACs": 7000.0, "Dense": 80000.0},
    ratio_once=0.131,
    ratio_every_step=0.188,
)


def told(cost: CostSection | None) -> Report:
    loihi = targets.load("loihi1")
    return replace(build_report(ModelSection("net", "ab" * 32, 46, {"Conv": 1}), loihi, ()), cost=cost)


@pytest.mark.parametrize("render", [report_text, report_markdown, report_html])
def test_every_form_has_the_tables(render: object) -> None:
    text = render(told(COST))  # type: ignore[operator]
    whole = " ".join(text.replace("\\_", "_").split())
    for part in ("Energy", "51,785", "75.0 %", "NeuroBench", "connection_sparsity", "621,742 bytes", "7,000"):
        assert part in whole
    assert "without static power" in whole
    assert "Estimated by a data sheet" in whole
    assert "1,276 messages" in whole
    assert "13.1 % of the ANN" in whole.replace("&#39;", "'")


def test_without_figures_the_reason_stands_in_place_of_joules() -> None:
    rows = tuple(replace(row, joules=None, hops=None) for row in COST.rows)
    report = told(replace(COST, rows=rows, estimate=None, reason="nothing is published"))
    energy, _ = cost_tables(report)
    assert [column.title for column in energy.columns] == ["layer", "spikes", "messages", "synaptic events"]
    assert "No joules and seconds: nothing is published." in energy.note
    assert not [figure for figure in figures(report) if figure.label == "energy"]


def test_the_figure_gives_a_range_and_both_times() -> None:
    report = told(COST)
    assert figures(report)[-1].label != "energy", "a model without a program has no energy"
    figure = energy_figure(ESTIMATE)
    assert figure.value == "4 uJ"
    assert figure.note == "estimated, 3 uJ to 5.5 uJ; a sample alone takes 312 us, in a stream 190 us"


def test_json_has_neurobenchs_names_and_reads_back() -> None:
    report = told(COST)
    content = report_dict(report)["cost"]
    assert set(content["neurobench"]) == {"footprint", "connection_sparsity", "activation_sparsity"}
    assert set(content["synaptic_operations"]) == {"Effective_MACs", "Effective_ACs", "Dense"}
    assert content["estimate"]["status"] == "estimated"
    back = report_from_json(report_json(report))
    assert back == report
    assert report_text(back) == report_text(report), "keys are sorted in JSON"


def test_what_was_not_measured_is_not_there() -> None:
    assert cost_tables(told(None)) == ()
    assert "cost" not in report_dict(told(None))
    no_ratio = cost_tables(told(replace(COST, ratio_once=None, ratio_every_step=None)))[0]
    assert "eq. 18" not in no_ratio.note
