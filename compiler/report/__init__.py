"""The compatibility report: built from a compilation, kept as JSON, rendered as text, Markdown and HTML."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .build import build_report
from .content import (
    SCHEMA,
    AgreementSection,
    CostRow,
    CostSection,
    Estimate,
    FirstDifference,
    LayerRow,
    LedgerRow,
    NeuronSection,
    NumbersRow,
    Overflow,
    PassRow,
    ProgramSection,
    ReadLayer,
    Report,
    ResourceRow,
    TargetSection,
)
from .effects import effect_in_words
from .verdict import DOES_NOT_FIT, FITS, FITS_WITH_WARNINGS, NEEDS_CALIBRATION, UNSUPPORTED, verdict

if TYPE_CHECKING:
    from .html import report_html
    from .json_form import report_dict, report_from_json, report_json
    from .markdown import report_markdown
    from .text import report_text

__all__ = [
    "DOES_NOT_FIT",
    "FITS",
    "FITS_WITH_WARNINGS",
    "NEEDS_CALIBRATION",
    "SCHEMA",
    "UNSUPPORTED",
    "AgreementSection",
    "CostRow",
    "CostSection",
    "Estimate",
    "FirstDifference",
    "LayerRow",
    "LedgerRow",
    "NeuronSection",
    "NumbersRow",
    "Overflow",
    "PassRow",
    "ProgramSection",
    "ReadLayer",
    "Report",
    "ResourceRow",
    "TargetSection",
    "build_report",
    "effect_in_words",
    "report_dict",
    "report_from_json",
    "report_html",
    "report_json",
    "report_markdown",
    "report_text",
    "verdict",
]

# Imported when they are first asked for: a report is built more often than it is written down.
_HOME = {
    "report_dict": ".json_form",
    "report_from_json": ".json_form",
    "report_html": ".html",
    "report_json": ".json_form",
    "report_markdown": ".markdown",
    "report_text": ".text",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spikec.compiler.report' has no attribute '{name}'")
    return getattr(import_module(_HOME[name], __name__), name)
