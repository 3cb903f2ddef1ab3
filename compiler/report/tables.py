"""The tables of a report as rows of text, which every rendering lays out in its own way."""

from __future__ import annotations

from dataclasses import dataclass

from ..diagnostics.render import format_number, node_names
from .content import (
    AgreementSection,
    LayerRow,
    LedgerRow,
    NeuronSection,
    NumbersRow,
    ProgramSection,
    Report,
    ResourceRow,
)


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A titled table; ``numeric`` columns are aligned right. ``note`` explains it below the title."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def report_tables(report: Report) -> tuple[ReportTable, ...]:
    """The tables that have anything to say, in reading order."""
    tables = (
        _layers(report.layers),
        _resources(report.resources),
        _numbers(report.numbers),
        _ledger(report.ledger),
        _passes(report),
    )
    return tuple(table for table in tables if table.rows)


def summary_rows(report: Report) -> tuple[tuple[str, str], ...]:
    """Name and value of what concerns the whole report."""
    operators = ", ".join(f"{name} x{count}" for name, count in sorted(report.model.operators.items()))
    rows = [
        ("model", f"{report.model.name} ({report.model.parameters} parameters; {operators or 'no operators'})"),
        ("model digest", report.model.digest),
        ("target", f"{report.target.name}: {report.target.title}"),
        ("target digest", report.target.digest),
        ("assumed limits", ", ".join(report.target.assumed) or "none"),
    ]
    if report.program is not None:
        each = report.program
        rows += [
            ("schedule", schedule_text(each)),
            *([("neuron", neuron_text(report.neuron))] if report.neuron else []),
            ("latency", latency_text(each)),
            ("size", f"{each.neurons} neurons, {each.synapses} synapses"),
            ("cores", f"{each.cores}, or {each.cores_shared} with shared kernels"),
        ]
    rows.append(("agreement", agreement_text(report.agreement)))
    return tuple(rows)


def schedule_text(program: ProgramSection) -> str:
    """The schedule and what it means for the layers' counts."""
    text = f"{program.schedule}, T = {program.timesteps}"
    if program.schedule == "exact":
        return f"{text}, every layer's counts are those of the quantised activation, {program.gated_layers} by gates"
    return f"{text}, {program.gated_layers} layers gated" if program.gated_layers else text


def latency_text(program: ProgramSection) -> str:
    """Steps per sample and until the result, against the pipelined schedule where a gate adds to them."""
    text = f"{program.latency} steps from the first input to the result, a sample every {program.window}"
    if not program.gated_layers:
        return text
    return f"{text} (pipelined: {program.pipelined_latency} steps, a sample every {program.timesteps})"


def neuron_text(neuron: NeuronSection) -> str:
    """The neuron model, what it needs beyond plain neurons, and what its first pass adds to the latency."""
    needs = "; ".join(neuron.state)
    if not neuron.first_pass:
        return f"{neuron.model}, needs {needs}"
    return f"{neuron.model}, needs {needs}; a first pass of {neuron.first_pass} steps, {neuron.first_pass_steps} in all"


def agreement_text(agreement: AgreementSection | None) -> str:
    """One sentence on how backends compared."""
    if agreement is None:
        return "not compared"
    compared = f"{', '.join(agreement.backends)} on {agreement.samples} samples"
    if agreement.equal:
        return f"equal spike by spike: {compared}"
    difference = agreement.first_difference
    if difference is None:
        return f"different: {compared}"
    values = ", ".join(f"{name} {value}" for name, value in sorted(difference.values.items()))
    return (
        f"different: {compared}; first at layer {difference.layer!r}, neuron {difference.neuron}, "
        f"step {difference.step}, sample {difference.sample} ({values})"
    )


def utilisation(row: ResourceRow) -> float | None:
    """Fraction of the limit that is used; None without a limit."""
    return None if row.limit is None else row.used / row.limit


def percent(fraction: float | None) -> str:
    """Percentage with one decimal, or a dash."""
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def _layers(rows: tuple[LayerRow, ...]) -> ReportTable:
    counts = ("neurons", "synapses", "shared weights", "thresholds", "weight bits", "exponent", "delay", "depth")
    columns = ("layer", "onnx", "shape", *counts, "gated", "cores", "cores shared", "status", "codes")
    text_columns = {"layer", "onnx", "shape", "gated", "status", "codes"}
    return ReportTable(
        "Layers",
        columns,
        tuple(column not in text_columns for column in columns),
        tuple(_layer_cells(row) for row in rows),
        "Synapses are counted unrolled; shared weights are stored once per kernel. Thresholds are distinct ones.",
    )


def _layer_cells(row: LayerRow) -> tuple[str, ...]:
    counts = (row.neurons, row.synapses, row.shared_weights, row.threshold_configurations, row.weight_bits)
    places = (row.depth, "yes" if row.gated else "no", row.cores, row.cores_shared)
    return (
        row.name,
        node_names(row.onnx) or "-",
        "x".join(map(str, row.shape)),
        *map(str, counts),
        ", ".join(map(str, row.exponents)) or "-",
        ", ".join(map(str, row.delays)) or "-",
        *map(str, places),
        row.status,
        ", ".join(row.codes) or "-",
    )


def _resources(rows: tuple[ResourceRow, ...]) -> ReportTable:
    return ReportTable(
        "Resources",
        ("layer", "resource", "used", "limit", "utilisation", "unit", "status", "source"),
        (False, False, True, True, True, False, False, False),
        tuple(
            (
                row.layer or "(chip)",
                row.name,
                str(row.used),
                "-" if row.limit is None else str(row.limit),
                percent(utilisation(row)),
                row.unit,
                row.status or "-",
                row.source or "-",
            )
            for row in rows
        ),
        "Of the fullest core of each layer.",
    )


def _numbers(rows: tuple[NumbersRow, ...]) -> ReportTable:
    return ReportTable(
        "Numbers",
        ("layer", "weight bits", "bits gained", "clipped", "worst rounding", "overflow", "margin"),
        (False, True, True, True, True, False, True),
        tuple(
            (
                row.layer,
                str(row.weight_bits),
                format_number(row.bits_gained),
                str(row.clipped),
                f"{row.worst_rounding:.3g}",
                "impossible" if row.overflow.proven else "not excluded",
                "-" if row.overflow.margin is None else format_number(row.overflow.margin),
            )
            for row in rows
        ),
        "Bits gained by scales per channel; worst rounding as a fraction of the threshold; margin in weight units.",
    )


def _ledger(rows: tuple[LedgerRow, ...]) -> ReportTable:
    return ReportTable(
        "Accuracy",
        ("stage", "accuracy", "samples", "note"),
        (False, True, True, False),
        tuple(
            (row.stage, "-" if row.accuracy is None else f"{100 * row.accuracy:.2f} %", str(row.samples), row.note)
            for row in rows
        ),
    )


def _passes(report: Report) -> ReportTable:
    return ReportTable(
        "Passes",
        ("pass", "changed", "effect"),
        (False, False, False),
        tuple((row.name, "yes" if row.changed else "no", row.effect or "-") for row in report.passes),
    )
