"""What the shell completes: names that are found without importing much."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

Complete = Callable[[click.Context, click.Parameter, str], list[Any]]


def one_of(names: Callable[[], Iterable[str]]) -> Complete:
    """Complete one of the names that ``names`` finds when the shell asks."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def several_of(names: Callable[[], Iterable[str]]) -> Complete:
    """Complete the last of several names that commas separate."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{name}" for name in names() if name.startswith(last) and name not in given]

    return complete


def name_or_file(names: Callable[[], Iterable[str]]) -> Complete:
    """Complete one of the names that ``names`` finds; where none begins so, let the shell complete a file."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [name for name in names() if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]

    return complete
