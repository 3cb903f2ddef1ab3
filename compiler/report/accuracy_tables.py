"""Accuracy against T, or against latency, of programs of the same model that were measured elsewhere."""

from __future__ import annotations

from .effects import counted
from .placed import AccuracyPoint
from .summary import percent
from .tables import Cell, Column, ReportTable


def accuracy_table(points: tuple[AccuracyPoint, ...]) -> ReportTable | None:
    """A row for each program; None where no measurement was given."""
    if not points:
        return None
    columns = (
        Column("program"),
        Column("target"),
        Column("T", numeric=True),
        Column("latency", numeric=True),
        Column("steps per sample", numeric=True),
        Column("accuracy", numeric=True),
    )
    rows = tuple(
        (
            Cell(program_text(point)),
            Cell(point.target),
            Cell(str(point.timesteps)),
            Cell(f"{point.latency:,}"),
            Cell(f"{point.window:,}"),
            Cell(percent(point.accuracy, 2), share=point.accuracy),
        )
        for point in points
    )
    samples = " and ".join(f"{count:,}" for count in sorted({point.samples for point in points}))
    note = f"Programs of the same model, each compiled for its T and simulated on {samples} test samples."
    return ReportTable("Accuracy against T", columns, rows, note)


def program_text(point: AccuracyPoint) -> str:
    """The method of a program, or which of its layers are gated."""
    if point.gated is None:
        return point.method
    return f"{counted(point.gated, 'layer')} gated" if point.gated else "pipelined"
