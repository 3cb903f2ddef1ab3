"""What a program costs, as tables: joules and seconds, events by layer, NeuroBench's metrics."""

from __future__ import annotations

from ...runtime.program.neuron_models import GRADED
from .content import CostRow, CostSection, Estimate, Report
from .summary import NOTHING, in_units, percent
from .tables import Cell, Column, ReportTable, folded

_PARTS = ("synapse", "soma", "network")
_OPERATIONS = ("Effective_MACs", "Effective_ACs", "Dense")


def cost_tables(report: Report) -> tuple[ReportTable, ...]:
    """Events and joules by layer, and NeuroBench's metrics; empty where no activity was measured."""
    if report.cost is None:
        return ()
    is_graded = report.neuron is not None and report.neuron.model == GRADED
    return folded(_layers(report.cost, is_graded)), _neurobench(report.cost)


def _layers(cost: CostSection, is_graded: bool) -> ReportTable:
    columns = (
        Column("layer"),
        Column("neurons that send" if is_graded else "spikes", numeric=True),
        Column("messages", numeric=True),
        Column("hops", numeric=True, folds=cost.estimate is None),
        Column("synaptic events", numeric=True),
        Column("energy", numeric=True, folds=cost.estimate is None),
        Column("share", numeric=True, folds=cost.estimate is None),
    )
    total = None if cost.estimate is None else cost.estimate.joules
    rows = tuple(_cells(row, total) for row in cost.rows)
    return ReportTable("Energy", columns, rows, _note(cost))


def _cells(row: CostRow, total: float | None) -> tuple[Cell, ...]:
    share = row.joules / total if row.joules is not None and total else None
    return (
        Cell(row.layer),
        Cell(f"{row.spikes:,.0f}"),
        Cell(f"{row.messages:,.0f}"),
        Cell(NOTHING if row.hops is None else f"{row.hops:,.0f}"),
        Cell(f"{row.synaptic_events:,.0f}"),
        Cell(NOTHING if row.joules is None else in_units(row.joules, "J")),
        Cell(NOTHING if share is None else percent(share), share=share),
    )


def _note(cost: CostSection) -> str:
    counted = (
        f"Per sample, counted on {cost.samples:,} calibration samples, alone on the chip for {cost.steps} steps; "
        f"the host sends {cost.host_messages:,.0f} messages, which have no price, at most {cost.host_most:,} in a "
        f"step, and reads {cost.host_values} values."
    )
    priced = f"No joules and seconds: {cost.reason}." if cost.estimate is None else _priced(cost.estimate)
    crossed = f"{cost.crossings:,.0f} messages pass from chip to chip." if cost.crossings else ""
    return " ".join(part for part in (counted, crossed, priced, _against_ann(cost)) if part)


def _priced(found: Estimate) -> str:
    parts = ", ".join(f"{name} {in_units(found.joules_by_part[name], 'J')}" for name in _PARTS)
    return (
        f"Estimated by {found.source}; not measured, and without static power. {parts}; the input's synaptic events "
        f"would add {in_units(found.input_joules, 'J')}."
    )


def _against_ann(cost: CostSection) -> str:
    if cost.ratio_once is None or cost.ratio_every_step is None:
        return ""
    once, every_step = percent(cost.ratio_once), percent(cost.ratio_every_step)
    return (
        f"By eq. 18 of Xiong et al. 2025, which counts operations in 45 nm CMOS and no chip, {once} of the ANN's "
        f"energy with the first layer computed once, {every_step} at every step."
    )


def _neurobench(cost: CostSection) -> ReportTable:
    counts = cost.synaptic_operations
    operations = {f"synaptic_operations: {name}": f"{counts[name]:,.0f}" for name in _OPERATIONS}
    rows = {
        "footprint": f"{cost.neurobench['footprint']:,.0f} bytes",
        "connection_sparsity": percent(cost.neurobench["connection_sparsity"]),
        "activation_sparsity": percent(cost.neurobench["activation_sparsity"]),
        **operations,
    }
    note = "Metrics under NeuroBench's names: weights as stored and potentials, shares of zeros, operations per sample."
    cells = tuple((Cell(name), Cell(value)) for name, value in rows.items())
    return ReportTable("NeuroBench", (Column("metric"), Column("value", numeric=True)), cells, note)
