"""The report of an artefact on disk."""

from __future__ import annotations

from pathlib import Path

from ...targets.diagnostic import refuse
from .content import Report
from .json_form import report_from_json


def read_report(directory: str | Path) -> Report:
    """Read the report of an artefact; ``UnusableInput`` names what is missing or damaged."""
    file = Path(directory) / "report.json"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(
            "E610", "there is no readable report", file=file, hint="compile the model again with 'spikec compile'"
        ) from error
    return report_from_json(text, file)
