"""Commands by name: what ``spikec --help`` says of them, and where they are imported from when they are called."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import click

from ..records import dataclass
from .help_page import Context

COMPILING = "From a model to a chip"
RUNNING = "Running and proving"
METHODS = "Methods and training"
LOOKING_UP = "Looking things up"
GROUPS = (COMPILING, RUNNING, METHODS, LOOKING_UP)


@dataclass(frozen=True, slots=True)
class Listed:
    """A command that a folder offers: ``attribute`` of ``module``, imported when it is called."""

    name: str
    group: str
    sentence: str
    """One whole sentence for ``spikec --help``."""
    module: str
    attribute: str

    def load(self) -> click.Command:
        """Import the command."""
        found: click.Command = getattr(import_module(self.module), self.attribute)
        return found


class LazyCommands(UserDict[str, Any]):
    """Commands by name, each imported when it is first looked up."""

    def __init__(self, listed: Iterable[Listed]) -> None:
        super().__init__({each.name: each for each in listed})

    def __getitem__(self, name: str) -> click.Command:
        found = self.data[name]
        if isinstance(found, Listed):
            found = self.data[name] = found.load()
        command: click.Command = found
        return command


class CommandGroup(click.Group):
    """A group of listed commands; its help page imports none of them."""

    context_class = Context

    def __init__(self, name: str | None = None, *, listed: Iterable[Listed], **settings: Any) -> None:
        self.listed = tuple(listed)
        super().__init__(name, LazyCommands(self.listed), **settings)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by group, then the options."""
        for group in GROUPS:
            rows = [(each.name, each.sentence) for each in self.listed if each.group == group]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)
        click.Command.format_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names and sentences of the commands that begin like ``incomplete``; no command is imported."""
        from click.shell_completion import CompletionItem

        found = [each for each in self.listed if each.name.startswith(incomplete)]
        items = [CompletionItem(each.name, help=each.sentence) for each in found]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]
