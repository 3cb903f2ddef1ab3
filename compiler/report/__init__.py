"""The compatibility report: built from a compilation, kept as JSON, rendered as text, Markdown and HTML."""

from __future__ import annotations

from .build import build_report
from .content import (
    SCHEMA,
    AgreementSection,
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
from .html import report_html
from .json_form import report_dict, report_from_json, report_json
from .markdown import report_markdown
from .text import report_text
from .verdict import DOES_NOT_FIT, FITS, FITS_WITH_WARNINGS, NEEDS_CALIBRATION, UNSUPPORTED, verdict

__all__ = [
    "DOES_NOT_FIT",
    "FITS",
    "FITS_WITH_WARNINGS",
    "NEEDS_CALIBRATION",
    "SCHEMA",
    "UNSUPPORTED",
    "AgreementSection",
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
