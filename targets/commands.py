"""``spikec targets``: the shipped chip descriptions, and every number of one of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .terminal.completion import name_or_file
from .terminal.help_page import command, json_option
from .terminal.listing import LOOKING_UP, Listed
from .terminal.printable import printable
from .terminal.streams import is_terminal, tell, tell_json

if TYPE_CHECKING:
    from .facts import Fact, Number
    from .schema import Target


def _target_names() -> tuple[str, ...]:
    from .loader import names

    return tuple(names())


@command()
@click.argument("name", required=False, shell_complete=name_or_file(_target_names))
@json_option
def targets(name: str | None, as_json: bool) -> None:
    """List the targets, or every number of the target NAME (or of a .toml file) with its source."""
    # The help page takes this command's sentence from here, and reads no chip.
    from .loader import load

    if name is None:
        known = tuple(load(each) for each in _target_names())
        tell_json({"targets": [_summary(t) for t in known]}, indent=2) if as_json else _print_list(known)
        return
    target = load(name)
    tell_json(_description(target), indent=2) if as_json else _print_target(target)


COMMANDS = (
    Listed("targets", LOOKING_UP, "List the chips, or every number of one with its source.", __name__, "targets"),
)


def _summary(target: Target) -> dict[str, object]:
    return {
        "name": target.name,
        "title": target.title,
        "backends": list(target.backends),
        "assumed": list(target.assumed()),
        "digest": target.digest,
    }


def _description(target: Target) -> dict[str, object]:
    facts = {key: asdict(fact) for key, fact in target.facts()}
    return {**_summary(target), "numbers": facts, "notes": list(target.notes)}


def _print_list(known: tuple[Target, ...]) -> None:
    rows = ((t.name, t.title, str(len(tuple(t.facts()))), str(len(t.assumed())), ", ".join(t.backends)) for t in known)
    _print_table(("target", "chip", "numbers", "assumed", "backends"), rows)


def _print_target(target: Target) -> None:
    from .facts import Flag, Models

    tell(f"{target.name}: {target.title}", f"backends: {', '.join(target.backends)}")
    rows = (
        (key, _shown(fact), "" if isinstance(fact, (Flag, Models)) else fact.unit, fact.status.value, fact.source)
        for key, fact in target.facts()
    )
    _print_table(("number", "value", "unit", "status", "source"), rows)
    tell(*(f"note: {note}" for note in target.notes))


def _shown(fact: Fact) -> str:
    from .facts import Choices, Flag, Models, PerCore

    if isinstance(fact, Flag):
        return "yes" if fact.value else "no"
    if isinstance(fact, (Choices, PerCore, Models)):
        return ", ".join(map(str, fact.values))
    bounds = [str(fact.value), *(f"{name} {bound}" for name, bound in _bounds(fact))]
    return ", ".join(bounds)


def _bounds(fact: Number) -> Iterable[tuple[str, int]]:
    named = (("at least", fact.least), ("at most", fact.most))
    return ((name, bound) for name, bound in named if bound is not None and bound != fact.value)


def _print_table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(highlight=False, markup=False)
    if not is_terminal(sys.stdout):
        # A pipe has no width: wrapping at 80 would cut sources apart.
        console.width = 240
    console.print(table)
