"""The names that others build on, pinned with their signatures."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import click

import spikec
from spikec.__main__ import spikec as command_line


def described(name: str, value: Any) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{name}{inspect.signature(value)}"
        return
    yield f"class {name}"
    if dataclasses.is_dataclass(value):
        yield from (f"    {each.name}: {each.type}{default(each)}" for each in dataclasses.fields(value))
    for key, member in vars(value).items():
        if key.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"    {key} -> {inspect.signature(member.fget).return_annotation}"  # type: ignore[arg-type]
        elif isinstance(member, classmethod):
            yield f"    classmethod {key}{inspect.signature(member.__func__)}"
        elif inspect.isfunction(member):
            yield f"    {key}{inspect.signature(member)}"


def default(each: dataclasses.Field[Any]) -> str:
    return "" if each.default is dataclasses.MISSING else f" = {each.default!r}"


def test_python(golden: Any) -> None:
    assert sorted(spikec.__all__) == spikec.__all__
    lines = [line for name in spikec.__all__ for line in described(name, getattr(spikec, name))]
    golden("api.txt", "\n".join(lines) + "\n")


def test_commands(golden: Any) -> None:
    lines = []
    for name in sorted(command_line.commands):
        lines.append(name)
        for parameter in command_line.commands[name].params:
            flags = ", ".join(parameter.opts + parameter.secondary_opts)
            kind = parameter.type
            choices = f" {'|'.join(map(str, kind.choices))}" if isinstance(kind, click.Choice) else ""
            lines.append(f"    {flags}{' required' if parameter.required else ''}{choices}")
    golden("commands.txt", "\n".join(lines) + "\n")
