"""The two streams: whether somebody looks at them, how wide they are, and writing to them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any, TextIO

from .printable import printable, printable_lines

_WIDEST = 100
"""Columns beyond which running text is hard to read."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at ``stream``: a terminal that can move its cursor, and not a closed stream."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def is_coloured(stream: TextIO | None) -> bool:
    """Whether colours are wanted on ``stream``: on a terminal, unless NO_COLOR is set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def text_width() -> int:
    """Columns for running text: those of the terminal (COLUMNS, or 80 without one), and never more than 100."""
    return min(shutil.get_terminal_size().columns, _WIDEST)


def tell(*lines: str) -> None:
    """Print each of ``lines`` as one line of the result, on stdout; on a terminal wrapped at its width."""
    _write(lines, sys.stdout, err=False)


def remark(*lines: str) -> None:
    """Print each of ``lines`` as one line beside the result, on stderr; on a terminal wrapped at its width."""
    _write(lines, sys.stderr, err=True)


def tell_document(text: str) -> None:
    """Print a finished document on stdout, line by line as it was laid out."""
    _echo(printable_lines(text), nl=not text.endswith("\n"))


def tell_json(content: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Print one JSON object on stdout."""
    _echo(json.dumps(content, indent=indent, sort_keys=True))


def hanging(line: str, width: int) -> list[str]:
    """Break ``line`` between words to ``width`` columns, the rest four columns further in; long words stay whole."""
    if len(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=margin,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _echo(text: str, *, nl: bool = True, err: bool = False) -> None:
    # A check that another program asks for prints nothing, and need not wait for click.
    import click

    click.echo(text, nl=nl, err=err)


def _write(lines: tuple[str, ...], stream: TextIO | None, *, err: bool) -> None:
    shown = [printable(line) for line in lines]
    if is_terminal(stream):
        width = shutil.get_terminal_size().columns
        shown = [part for line in shown for part in hanging(line, width)]
    for line in shown:
        _echo(line, err=err)
