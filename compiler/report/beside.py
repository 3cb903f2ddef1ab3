"""What graded messages are worth: the same model on graded and on plain neurons, side by side."""

from __future__ import annotations

from .placed import BesideRow
from .summary import NOTHING, percent
from .tables import Cell, Column, ReportTable


def beside_table(rows: tuple[BesideRow, ...], samples: int) -> ReportTable | None:
    """A row for each program, measured on ``samples`` calibration samples; None where there are none."""
    if not rows:
        return None
    columns = (
        Column("neurons"),
        Column("T", numeric=True),
        Column("steps", numeric=True),
        Column("steps per sample", numeric=True),
        Column("cores", numeric=True),
        Column("payload", numeric=True),
        Column("messages", numeric=True),
        Column("synaptic events", numeric=True),
        Column("operations", numeric=True),
        Column("held out"),
    )
    note = (
        f"The same model compiled for both, fitted to a part of the calibration data and judged on the rest; messages "
        f"and synaptic events per sample, counted on {samples:,} samples, simulated. Operations: energy against the "
        "ANN's by eq. 18 of Xiong et al. 2025, estimated for 45 nm CMOS and no chip; a payload makes every synaptic "
        "event a multiplication, a spike an addition. What a message with a payload costs a chip is not published."
    )
    return ReportTable("What graded messages are worth", columns, tuple(map(_cells, rows)), note)


def _cells(row: BesideRow) -> tuple[Cell, ...]:
    return (
        Cell(row.neurons),
        Cell(str(row.timesteps)),
        Cell(f"{row.steps:,}"),
        Cell(f"{row.window:,}"),
        Cell(f"{row.cores:,}"),
        Cell(f"{row.payload_bits} bits" if row.payload_bits else NOTHING),
        Cell(f"{row.messages:,.0f}"),
        Cell(f"{row.synaptic_events:,.0f}"),
        Cell(NOTHING if row.operations_ratio is None else percent(row.operations_ratio)),
        Cell(row.accuracy or NOTHING),
    )
