"""Everything about diagnostics that is not the record itself: the table of codes and their renderings."""

from __future__ import annotations

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
