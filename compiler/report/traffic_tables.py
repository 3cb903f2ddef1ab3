"""What passes between layers and chips, and how the neurons of each layer fire, as tables."""

from __future__ import annotations

from .content import Report
from .core_drawing import layers_on, share_of
from .keys import keys_of
from .placed import CoreMap, TrafficSection
from .summary import NOTHING, percent
from .tables import Cell, Column, ReportTable, folded


def traffic_tables(report: Report) -> tuple[ReportTable, ...]:
    """Messages between layers; and between chips, where there are several."""
    found = report.traffic
    if found is None:
        return ()
    tables = (_flows(found), _chip_flows(found))
    return tuple(folded(table) for table in tables if table.rows)


def _flows(found: TrafficSection) -> ReportTable:
    total = sum(row.messages for row in found.flows)
    crosses = any(row.crossings for row in found.flows)
    columns = (
        Column("from"),
        Column("to"),
        Column("messages", numeric=True),
        Column("share", numeric=True),
        Column("over chip edges", numeric=True, folds=not crosses),
    )
    rows = tuple(
        (
            Cell(row.source),
            Cell(row.target),
            Cell(f"{row.messages:,.0f}"),
            _share(row.messages, total),
            Cell(NOTHING if row.crossings is None or not crosses else f"{row.crossings:,.0f}"),
        )
        for row in found.flows
    )
    note = (
        f"Messages of a sample, counted on {found.samples:,} calibration samples: a spike is one to each core that it "
        "reaches. Where two layers share a core it counts for both."
    )
    return ReportTable("Traffic", columns, rows, note)


def _chip_flows(found: TrafficSection) -> ReportTable:
    total = sum(row.messages for row in found.chips)
    columns = (Column("chips"), Column("messages", numeric=True), Column("share", numeric=True))
    rows = tuple(
        (
            Cell(f"chip {row.source + 1} to {row.target + 1}"),
            Cell(f"{row.messages:,.0f}"),
            _share(row.messages, total),
        )
        for row in found.chips
    )
    return ReportTable("Between chips", columns, rows, "Messages of a sample over the edges of chips, each once.")


def activity_table(report: Report) -> ReportTable | None:
    """Rates and residual potentials by layer; None where they were not measured."""
    if not report.activity:
        return None
    samples = report.traffic.samples if report.traffic is not None else 0
    columns = (
        Column("layer"),
        Column("rate", numeric=True),
        Column("fired too often", numeric=True),
        Column("fired too little", numeric=True),
        Column("potential left outside", numeric=True),
    )
    rows = tuple(
        (
            Cell(row.layer),
            Cell(percent(row.rate), share=row.rate),
            *(Cell(percent(share, 2)) for share in (row.over, row.under, row.outside)),
        )
        for row in report.activity
    )
    note = (
        f"On {samples:,} calibration samples. The rate is spikes per neuron and step. What is left of a potential "
        "after the window tells which neurons fired more or less often than their input adds to; those outside "
        "[0, threshold) that rest or are clipped are right all the same."
    )
    return ReportTable("Activity", columns, rows, note)


def chips_table(report: Report, cores: CoreMap) -> ReportTable:
    """Each chip: its cores in use, its layers, its fullest core."""
    on, keys = layers_on(cores), keys_of([row.name for row in report.layers])
    by_chip: list[list[int]] = [[] for _ in range(cores.chips)]
    for core, place in enumerate(cores.place):
        by_chip[place // cores.chip_cores].append(core)
    rows = []
    for chip, held in enumerate(by_chip):
        fullest = max(held, key=lambda core: share_of(cores, core), default=None)
        found = {name for core in held for name in on[core]}
        rows.append(
            (
                Cell(f"chip {chip + 1}"),
                Cell(f"{len(held):,} of {cores.chip_cores:,}"),
                Cell(" ".join(keys[name] for name in keys if name in found) or NOTHING),
                Cell(NOTHING if fullest is None else _fullest(cores, fullest)),
            )
        )
    columns = (Column("chip"), Column("cores", numeric=True), Column("layers"), Column("fullest core"))
    return ReportTable("Chips", columns, tuple(rows))


def _fullest(cores: CoreMap, core: int) -> str:
    return f"{percent(share_of(cores, core))} of {cores.budgets[cores.fullest[core]].name}"


def _share(part: float, total: float) -> Cell:
    return Cell(percent(part / total), share=part / total) if total else Cell(NOTHING)
