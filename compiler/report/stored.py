"""The report of an artefact on disk."""

from __future__ import annotations

from pathlib import Path

from ...runtime.program.storage import REPORT_FILE, check_artefact, read_text
from ...targets.diagnostic import refuse
from .content import Report
from .json_form import report_from_json


def read_report(directory: str | Path) -> Report:
    """Read the report of an artefact; ``UnusableInput`` names what is missing, damaged or of another compilation."""
    file = Path(directory) / REPORT_FILE
    try:
        text = read_text(file)
    except (OSError, ValueError) as error:
        raise refuse(
            "E610", "there is no readable report", file=file, hint="compile the model again with 'spikec compile'"
        ) from error
    report = report_from_json(text, file)
    check_artefact(directory, report.program_digest)
    return report
