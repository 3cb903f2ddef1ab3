"""Diagnostics on their way to a person: one line each in a pipe, a panel each on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..diagnostic import Diagnostic, Place, Severity
from .printable import printable
from .streams import is_terminal
from .verbosity import Verbosity, verbosity

if TYPE_CHECKING:
    from rich.console import RenderableType

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_PANEL_AT_LEAST = 40
_PANEL_AT_MOST = 120
_NODES_TO_CHANGE = 12
"""Nodes of the file that are named where each of them has to be changed; layers are examples of what is one cause."""


def tell_findings(found: Iterable[Diagnostic]) -> None:
    """Print diagnostics on stderr; with ``-q`` the errors alone."""
    shown = [each for each in found if each.severity is Severity.ERROR or verbosity() is not Verbosity.QUIET]
    if shown and is_terminal(sys.stderr):
        _tell_panels(shown)
        return
    if not shown:
        return
    import click

    for each in shown:
        click.echo(render_line(each), err=True)


def render_line(diagnostic: Diagnostic) -> str:
    """Everything in one line: ``error E301: net.onnx: layer 'fc' (onnx /fc/Gemm): message; measured 5 of 4 axons``."""
    where = render_place(diagnostic.place)
    head = f"{diagnostic.severity.value} {diagnostic.code}: {where + ': ' if where else ''}{diagnostic.message}"
    figures = render_figures(diagnostic)
    parts = [head, figures, f"hint: {diagnostic.hint}" if diagnostic.hint else ""]
    return "; ".join(single_line(part) for part in parts if part)


def render_place(place: Place) -> str:
    """File, layer, ONNX nodes and core, as far as they are known."""
    nodes = f"onnx {first_names(place.nodes, _NODES_TO_CHANGE)}" if place.nodes else ""
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
    """``measured 4608 of 4096 axons [source]``, as far as it is known; uncertain limits say so."""
    unit = f" {diagnostic.unit}" if diagnostic.unit else ""
    source = f" [{diagnostic.source}]" if diagnostic.source else ""
    limit = "" if diagnostic.limit is None else format_number(diagnostic.limit)
    assumed = " (limit uncertain)" if diagnostic.assumed and limit else ""
    if diagnostic.measured is None:
        return f"limit {limit}{unit}{assumed}{source}" if limit else ""
    of = f" of {limit}" if limit else ""
    return f"measured {format_number(diagnostic.measured)}{of}{unit}{assumed}{source}"


def format_number(value: float) -> str:
    """Whole numbers without a decimal point, others to six digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def single_line(text: str) -> str:
    """Return ``text`` in one printable line, runs of white space as one space."""
    return printable(" ".join(text.split()))


def _tell_panels(found: list[Diagnostic]) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    console.width = min(console.width, _PANEL_AT_MOST)
    for each in found:
        console.print(_panel(each, console.width))


def _panel(diagnostic: Diagnostic, width: int) -> RenderableType:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    colour = COLOURS[diagnostic.severity]
    rows = (
        ("at", render_place(diagnostic.place)),
        ("figures", render_figures(diagnostic)),
        ("hint", diagnostic.hint or ""),
        ("more", f"spikec explain {diagnostic.code}"),
    )
    body = Table.grid(padding=(0, 1))
    body.add_column(style="dim", no_wrap=True)
    body.add_column(overflow="fold")
    body.add_row("", Text(single_line(diagnostic.message), style="bold"))
    for name, text in rows:
        if text:
            body.add_row(name, Text(single_line(text)))
    title = f"{diagnostic.severity.value} {diagnostic.code}"
    if width < _PANEL_AT_LEAST:
        body.title = Text(title, style=f"bold {colour}")
        return body
    return Panel(body, title=Text(title, style=f"bold {colour}"), title_align="left", border_style=colour)
