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
    columns = [_column(table, number, width - indent - len(_GAP)) for number in range(1, len(table.columns))]
    names = [table.columns[0].title, *(row[0].text for row in table.rows)]
    return "\n\n".join(_block(names, block, indent, width) for block in _blocks(columns, width - indent))


def _longest_name(width: int) -> int:
    return 2 * width // 5


_Column = list[list[str]]
"""The lines of a title, and of each cell below it, all padded to one width."""


def _column(table: ReportTable, number: int, room: int) -> _Column:
    column = table.columns[number]
    texts = [column.title, *(row[number].text for row in table.rows)]
    # A title may take several lines; a cell only where it is wider than the page.
    width = min(room, max(map(len, (*column.title.split(), *texts[1:]))))
    side = str.rjust if column.numeric else str.ljust
    return [[side(line, width) for line in textwrap.wrap(text, width) or [""]] for text in texts]


def _blocks(columns: list[_Column], room: int) -> list[list[_Column]]:
    """The columns divided so that each part fits into ``room``."""
    blocks: list[list[_Column]] = [[]]
    left = room
    for column in columns:
        needed = len(_GAP) + len(column[0][0])
        if needed > left and blocks[-1]:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= needed
    return blocks


def _block(names: list[str], columns: list[_Column], indent: int, width: int) -> str:
    lines: list[str] = []
    for row, name in enumerate(names):
        cells = [column[row] for column in columns]
        height = max(map(len, cells))
        # Titles end together above the first row; cells begin together, beside the name.
        tall = [_taller(cell, height, upwards=row == 0) for cell in cells]
        figures = ["".join(_GAP + cell[line] for cell in tall) for line in range(height)]
        named = height - 1 if row == 0 else 0
        if len(name) > indent:
            lines.append(filled(name, width, hang=_GAP))
        labels = [name if line == named and len(name) <= indent else "" for line in range(height)]
        lines += [f"{label:<{indent}}{line}".rstrip() for label, line in zip(labels, figures, strict=True)]
    return "\n".join(lines)


def _taller(cell: list[str], height: int, *, upwards: bool) -> list[str]:
    blank = [" " * len(cell[0])] * (height - len(cell))
    return [*blank, *cell] if upwards else [*cell, *blank]
