"""Everything about diagnostics that is not the record itself: the table of codes and their renderings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...targets.terminal.findings import render_line
    from .code import Code
    from .codes import CODES, entry_of
    from .render import diagnostic_json, render_block, render_markdown, render_summary

__all__ = [
    "CODES",
    "Code",
    "diagnostic_json",
    "entry_of",
    "render_block",
    "render_line",
    "render_markdown",
    "render_summary",
]

# Imported when they are first asked for: what collects findings needs neither the table of codes nor a rendering.
_HOME = {
    "CODES": ".codes",
    "Code": ".code",
    "diagnostic_json": ".render",
    "entry_of": ".codes",
    "render_block": ".render",
    "render_line": "...targets.terminal.findings",
    "render_markdown": ".render",
    "render_summary": ".render",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spikec.compiler.diagnostics' has no attribute '{name}'")
    return getattr(import_module(_HOME[name], __name__), name)
