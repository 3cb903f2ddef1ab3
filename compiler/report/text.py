"""A report as plain text and as Markdown."""

from __future__ import annotations

from ..diagnostics import render_block, render_markdown, render_summary
from ..diagnostics.render import markdown_text
from .content import Report
from .tables import ReportTable, report_tables, summary_rows


def report_text(report: Report) -> str:
    """Render for a terminal: verdict, summary, diagnostics, tables."""
    summary = summary_rows(report)
    width = max(len(name) for name, _ in summary)
    parts = [
        f"verdict: {report.verdict} ({render_summary(report.diagnostics)})",
        "\n".join(f"{name:<{width}}  {value}" for name, value in summary),
        *(render_block(each) for each in report.diagnostics),
        *(_text_table(table) for table in report_tables(report)),
    ]
    return "\n\n".join(parts) + "\n"


def report_markdown(report: Report) -> str:
    """Render as GitHub-flavoured Markdown."""
    parts = [
        f"# {markdown_text(report.model.name)} on {markdown_text(report.target.name)}: {report.verdict}",
        "\n".join(f"- {name}: {markdown_text(value)}" for name, value in summary_rows(report)),
    ]
    if report.diagnostics:
        found = "\n".join(render_markdown(each) for each in report.diagnostics)
        parts.append(f"## Diagnostics ({render_summary(report.diagnostics)})\n\n{found}")
    parts += [_markdown_table(table) for table in report_tables(report)]
    return "\n\n".join(parts) + "\n"


def _text_table(table: ReportTable) -> str:
    rows = (table.columns, *table.rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = [table.title, *([table.note] if table.note else [])]
    for row in rows:
        cells = zip(row, widths, table.numeric, strict=True)
        lines.append(
            "  ".join(f"{cell:>{width}}" if right else f"{cell:<{width}}" for cell, width, right in cells).rstrip()
        )
    return "\n".join(lines)


def _markdown_table(table: ReportTable) -> str:
    rules = ["---:" if right else "---" for right in table.numeric]
    rows = (table.columns, rules, *([markdown_text(cell) for cell in row] for row in table.rows))
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    note = f"{table.note}\n\n" if table.note else ""
    return f"## {table.title}\n\n{note}{body}"
