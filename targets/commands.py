"""``spikec targets``: the shipped chip descriptions, and every number of one of them."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from .loader import load, names
from .schema import Choices, Fact, Flag, Models, Target


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def targets(name: str | None, as_json: bool) -> None:
    """List the targets, or every number of the target NAME (or of a .toml file) with its source."""
    if name is None:
        known = tuple(load(each) for each in names())
        _print_json({"targets": [_summary(t) for t in known]}) if as_json else _print_list(known)
        return
    target = load(name)
    _print_json(_description(target)) if as_json else _print_target(target)


COMMANDS: tuple[click.Command, ...] = (targets,)


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


def _print_json(content: dict[str, object]) -> None:
    click.echo(json.dumps(content, indent=2, sort_keys=True))


def _print_list(known: tuple[Target, ...]) -> None:
    table = Table("target", "chip", "numbers", "assumed", "backends")
    for target in known:
        facts = len(tuple(target.facts()))
        table.add_row(target.name, target.title, str(facts), str(len(target.assumed())), ", ".join(target.backends))
    _print_table(table)


def _print_target(target: Target) -> None:
    click.echo(f"{target.name}: {target.title}")
    click.echo(f"backends: {', '.join(target.backends)}")
    table = Table("number", "value", "unit", "status", "source")
    for key, fact in target.facts():
        unit = "" if isinstance(fact, (Flag, Models)) else fact.unit
        table.add_row(key, _shown(fact), unit, fact.status.value, fact.source)
    _print_table(table)
    for note in target.notes:
        click.echo(f"note: {note}")


def _shown(fact: Fact) -> str:
    if isinstance(fact, Flag):
        return "yes" if fact.value else "no"
    if isinstance(fact, (Choices, Models)):
        return ", ".join(map(str, fact.values))
    return str(fact.value)


def _print_table(table: Table) -> None:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        # A pipe has no width: wrapping at 80 would cut sources apart.
        console.width = 240
    console.print(table)
