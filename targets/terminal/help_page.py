"""Help pages: as wide as the terminal, options in sections, commands in groups, whole sentences."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.formatting import wrap_text

from .streams import is_coloured, text_width

_ROOM_FOR_TEXT = 34
"""Columns below which what a term means goes under it, not beside it."""
_TERM_AT_MOST = 28

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class HelpPage(click.HelpFormatter):
    """click's formatter, for any width."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        super().__init__(indent_increment, text_width() if width is None else width, max_width)

    def write_heading(self, heading: str) -> None:
        """Write a heading, bold on a terminal."""
        shown = click.style(heading, bold=True) if is_coloured(sys.stdout) else heading
        self.write(f"{'':>{self.current_indent}}{shown}:\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = _TERM_AT_MOST, col_spacing: int = 2) -> None:
        """Write terms with their meanings, beside each other where there is room."""
        listed = list(rows)
        column = min(max(len(term) for term, _ in listed), col_max) + col_spacing
        if self.width - self.current_indent - column >= _ROOM_FOR_TEXT:
            super().write_dl(listed, col_max, col_spacing)
            return
        margin, deeper = " " * self.current_indent, " " * (self.current_indent + 4)
        for term, meaning in listed:
            self.write(f"{wrap_text(term, self.width, margin, deeper)}\n")
            if meaning:
                self.write(f"{wrap_text(meaning, self.width, deeper, deeper)}\n")


HELP_NAMES = ("-h", "--help")
"""Of every command's option for its help."""


class Context(click.Context):
    """click's context, with our help pages."""

    formatter_class = HelpPage


class Option(click.Option):
    """An option that knows its section of the help page."""

    def __init__(self, *arguments: Any, section: str = "", **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


class Command(click.Command):
    """A command whose options are listed by section, in the order in which sections first appear."""

    context_class = Context

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        # A command keeps the names that its help had at first, whether spikec or a caller's own code runs it.
        settings["context_settings"] = {
            "help_option_names": list(HELP_NAMES),
            **(settings.get("context_settings") or {}),
        }
        super().__init__(*arguments, **settings)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those without a section first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = None if isinstance(parameter, click.Argument) else parameter.get_help_record(ctx)
            if record is not None:
                section = parameter.section if isinstance(parameter, Option) else ""
                sections.setdefault(section or "Options", []).append(record)
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def command(name: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """Turn a function into a command with our help page; to be used as click's decorator of that name."""
    return click.command(name, cls=Command)


def option(*names: str, section: str = "", **settings: Any) -> Callable[[Decorated], Decorated]:
    """click's decorator of that name, with the section of the help page that lists the option."""
    return click.option(*names, cls=Option, section=section, **settings)


def json_option(command: Decorated) -> Decorated:
    """Give a command ``--json``, as the argument ``as_json``."""
    return option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(command)
