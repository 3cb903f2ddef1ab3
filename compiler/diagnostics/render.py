"""A diagnostic as a block of a report, as Markdown and as JSON; as a line see ``targets/terminal/findings.py``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ...targets.diagnostic import Diagnostic, Severity
from ...targets.terminal.findings import render_figures, render_place, single_line
from ...targets.terminal.printable import printable


def render_block(diagnostic: Diagnostic) -> str:
    """Lines of a report, which wraps them: message, place, figures, hint, and where to read more."""
    where = render_place(diagnostic.place)
    figures = render_figures(diagnostic)
    lines = (
        f"{diagnostic.severity.value} {diagnostic.code}: {diagnostic.message}",
        f"  --> {where}" if where else "",
        f"   |  {figures}" if figures else "",
        f"   = hint: {diagnostic.hint}" if diagnostic.hint else "",
        f"   = see: spikec explain {diagnostic.code}",
    )
    return "\n".join(printable(line) for line in lines if line)


def render_markdown(diagnostic: Diagnostic) -> str:
    """One bullet of a Markdown list."""
    where = render_place(diagnostic.place)
    text = f"- **{diagnostic.severity.value} {diagnostic.code}** {markdown_text(diagnostic.message)}"
    if where:
        text += f" - {markdown_text(where)}"
    figures = render_figures(diagnostic)
    if figures:
        text += f"; {markdown_text(figures)}"
    if diagnostic.hint:
        text += f"  \n  hint: {markdown_text(diagnostic.hint)}"
    return text


def render_summary(diagnostics: Iterable[Diagnostic]) -> str:
    """How many of each severity: ``2 errors, 1 warning``; ``no problems`` without any."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    counts = [(severities.count(severity), severity.value) for severity in Severity]
    return ", ".join(f"{n} {name}{'s' * (n != 1)}" for n, name in counts if n) or "no problems"


def diagnostic_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """JSON object with every field of the record, and its severity; ``layers`` only where several share the finding."""
    content = asdict(diagnostic)
    content["place"]["nodes"] = list(diagnostic.place.nodes)
    layers = content["place"].pop("layers")
    if layers:
        content["place"]["layers"] = list(layers)
    return {**content, "severity": diagnostic.severity.value}


def markdown_text(text: str) -> str:
    """Escape what Markdown and its tables would read as markup."""
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return single_line(text)
