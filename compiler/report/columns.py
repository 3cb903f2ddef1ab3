"""Tables and sentences in plain text that no line of a terminal has to wrap."""

from __future__ import annotations

import textwrap

from .tables import ReportTable

_GAP = "  "


def filled(text: str, width: int, *, first: str = "", hang: str = "") -> str:
    """``text`` in lines of at most ``width``: the first after ``first``, the others after ``hang``."""
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=hang, break_on_hyphens=False, drop_whitespace=True
    )


def listed(pairs: tuple[tuple[str, str], ...], width: int) -> str:
    """Names in a column, and beside each its text; below it where names are long."""
    longest = max(len(name) for name, _ in pairs)
    if longest > _longest_name(width):
        return "\n".join(
            f"{filled(name, width, hang=_GAP)}\n{filled(text, width, first=_GAP, hang=_GAP)}" for name, text in pairs
        )
    hang = " " * (longest + len(_GAP))
    return "\n".join(filled(text, width, first=f"{name:<{longest}}{_GAP}", hang=hang) for name, text in pairs)


def text_table(table: ReportTable, width: int) -> str:
    """Columns side by side; those that do not fit follow below, with the names of the rows again."""
    longest = max(len(name) for name in (table.columns[0].title, *(row[0].text for row in table.rows)))
    # Long names hang above their rows, so that they take no width from the figures.
    indent = len(_GAP) if longest > _longest_name(width) else longest
    return "\n\n".join(_block(table, block, indent, width) for block in _blocks(table, width - indent))


def _longest_name(width: int) -> int:
    return 2 * width // 5


def _block(table: ReportTable, block: list[int], indent: int, width: int) -> str:
    widths = {i: _width(table, i) for i in block}

    def line(name: str, texts: dict[int, str]) -> str:
        cells = (f"{texts[i]:>{widths[i]}}" if table.columns[i].numeric else f"{texts[i]:<{widths[i]}}" for i in block)
        figures = "".join(f"{_GAP}{cell}" for cell in cells)
        if len(name) <= indent:
            return f"{name:<{indent}}{figures}".rstrip()
        return f"{filled(name, width, hang=_GAP)}\n{'':<{indent}}{figures}".rstrip()

    titles = {i: textwrap.wrap(table.columns[i].title, widths[i]) for i in block}
    height = max(map(len, titles.values()), default=1)
    # Titles stand on the line above the rows, and begin above it where they are long.
    heads = {i: [""] * (height - len(title)) + title for i, title in titles.items()}
    lines = [line("", {i: heads[i][k] for i in block}) for k in range(height - 1)]
    lines.append(line(table.columns[0].title, {i: heads[i][-1] for i in block}))
    lines += [line(row[0].text, {i: row[i].text for i in block}) for row in table.rows]
    return "\n".join(lines)


def _blocks(table: ReportTable, room: int) -> list[list[int]]:
    """Columns after the first, divided so that each part fits into ``room``."""
    blocks: list[list[int]] = [[]]
    left = room
    for column in range(1, len(table.columns)):
        needed = len(_GAP) + _width(table, column)
        if needed > left and blocks[-1]:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= needed
    return blocks


def _width(table: ReportTable, column: int) -> int:
    """Width of the widest cell, or of the longest word of the title."""
    words = table.columns[column].title.split()
    return max(len(text) for text in (*words, *(row[column].text for row in table.rows)))
