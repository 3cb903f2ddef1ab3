"""Reports on one model for several targets, side by side."""

from __future__ import annotations

import json

from ...targets.records import dataclass
from .columns import filled, text_table
from .content import Report, ResourceRow
from .json_form import report_dict
from .markdown import markdown_table
from .printable import printable
from .summary import NOTHING, in_words, percent, state_of
from .tables import Cell, Column, ReportTable
from .verdict import FITS, FITS_WITH_WARNINGS

SCHEMA = "spikec-comparison/1"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Reports on one model, a chip with fewer neurons before one with more, simulators last."""

    reports: tuple[Report, ...]

    @property
    def smallest(self) -> Report | None:
        """The first that fits, with warnings or without; None where none does."""
        return next((each for each in self.reports if each.verdict in (FITS, FITS_WITH_WARNINGS)), None)


def comparison_text(comparison: Comparison, width: int) -> str:
    """The answer in a line, and a table of at most ``width`` columns."""
    shown = _printable(comparison)
    return f"{filled(_answer(shown), width)}\n\n{text_table(_table(shown), width)}\n"


def comparison_markdown(comparison: Comparison) -> str:
    """The same as GitHub-flavoured Markdown."""
    shown = _printable(comparison)
    return f"{_answer(shown)}\n\n{markdown_table(_table(shown))}\n"


def comparison_json(comparison: Comparison) -> str:
    """All reports, in their order, and the name of the smallest target that the model fits."""
    content = {
        "schema": SCHEMA,
        "smallest": None if comparison.smallest is None else comparison.smallest.target.name,
        "reports": [report_dict(each) for each in comparison.reports],
    }
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _printable(comparison: Comparison) -> Comparison:
    return Comparison(tuple(printable(each) for each in comparison.reports))


def _answer(comparison: Comparison) -> str:
    smallest = comparison.smallest
    if smallest is None:
        return f"{comparison.reports[0].model.name} fits none of {len(comparison.reports)} targets for certain"
    return f"{smallest.model.name} fits {smallest.target.name}, the smallest of those that it fits"


def _table(comparison: Comparison) -> ReportTable:
    columns = (
        Column("target"),
        Column("verdict"),
        Column("cores", numeric=True),
        Column("of", numeric=True),
        Column("agrees", numeric=True),
        Column("latency", numeric=True),
        Column("weight bits", numeric=True),
        Column("findings"),
    )
    return ReportTable("Targets", columns, tuple(_row(each) for each in comparison.reports))


def _row(report: Report) -> tuple[Cell, ...]:
    program = report.program
    cores = _chip_row(report, "cores")
    bits = sorted({layer.weight_bits for layer in report.layers})
    codes = dict.fromkeys(each.code for each in report.diagnostics if each.code[0] != "I")
    agrees = report.ledger[-1].agreement if report.ledger else None
    return (
        Cell(report.target.name),
        Cell(in_words(report.verdict), state=state_of(report.verdict)),
        Cell(NOTHING if program is None else f"{program.cores:,}"),
        Cell(NOTHING if cores is None or cores.limit is None else f"{cores.limit:,}"),
        Cell(NOTHING if agrees is None else percent(agrees)),
        Cell(NOTHING if program is None else f"{program.latency:,}"),
        Cell(" to ".join(map(str, dict.fromkeys((bits[0], bits[-1])))) if bits else NOTHING),
        Cell(", ".join(codes) or NOTHING),
    )


def _chip_row(report: Report, name: str) -> ResourceRow | None:
    return next((row for row in report.resources if row.layer is None and row.name == name), None)
