"""A diagnostic as one line, as a block for the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from ...targets.diagnostic import Diagnostic, Place, Severity

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def render_line(diagnostic: Diagnostic) -> str:
    """Everything in one line: ``error E301: net.onnx: layer 'fc' (onnx /fc/Gemm): message; measured 5 of 4 axons``."""
    where = render_place(diagnostic.place)
    head = f"{diagnostic.severity.value} {diagnostic.code}: {where + ': ' if where else ''}{diagnostic.message}"
    figures = render_figures(diagnostic)
    parts = [head, figures, f"hint: {diagnostic.hint}" if diagnostic.hint else ""]
    return "; ".join(_single_line(part) for part in parts if part)


def render_block(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """Several lines for a terminal: message, place, figures, hint, and where to read more."""
    head = f"{diagnostic.severity.value} {diagnostic.code}"
    if color:
        head = click.style(head, fg=_COLOURS[diagnostic.severity], bold=True)
    lines = [f"{head}: {diagnostic.message}"]
    where = render_place(diagnostic.place)
    figures = render_figures(diagnostic)
    if where:
        lines.append(f"  --> {where}")
    if figures:
        lines.append(f"   |  {figures}")
    if diagnostic.hint:
        lines.append(f"   = hint: {diagnostic.hint}")
    lines.append(f"   = see: spikec explain {diagnostic.code}")
    return "\n".join(lines)


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


def render_place(place: Place) -> str:
    """File, layer, ONNX nodes and core, as far as they are known."""
    nodes = f"onnx {first_names(place.nodes)}" if place.nodes else ""
    layer = f"layer {place.layer!r}" if place.layer is not None else ""
    if place.layers:
        layer, nodes = f"{len(place.layers)} layers: {first_names(place.layers)}", ""
    if layer and nodes:
        layer, nodes = f"{layer} (onnx {node_names(place.nodes)})", ""
    core = f"core {place.core}" if place.core is not None else ""
    return ": ".join(part for part in (place.file, ", ".join(p for p in (layer, nodes, core) if p)) if part)


def first_names(names: tuple[str, ...], limit: int = 3) -> str:
    """Join the first ``limit`` names and say how many more there are."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def node_names(nodes: tuple[str, ...]) -> str:
    """ONNX nodes by name; of a long chain the first and the last. JSON keeps all of them."""
    if len(nodes) <= 3:
        return ", ".join(nodes)
    return f"{nodes[0]} .. {nodes[-1]}"


def render_figures(diagnostic: Diagnostic) -> str:
    """``measured 4608 of 4096 axons [source]``, as far as it is known; assumed limits say so."""
    unit = f" {diagnostic.unit}" if diagnostic.unit else ""
    source = f" [{diagnostic.source}]" if diagnostic.source else ""
    limit = "" if diagnostic.limit is None else format_number(diagnostic.limit)
    assumed = " (limit assumed)" if diagnostic.assumed and limit else ""
    if diagnostic.measured is None:
        return f"limit {limit}{unit}{assumed}{source}" if limit else ""
    of = f" of {limit}" if limit else ""
    return f"measured {format_number(diagnostic.measured)}{of}{unit}{assumed}{source}"


def format_number(value: float) -> str:
    """Whole numbers without a decimal point, others to six digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


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
    return _single_line(text)


def _single_line(text: str) -> str:
    return " ".join(text.split())
