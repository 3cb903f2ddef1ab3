"""Hints name only options and commands that there are, and blame nobody for an export that somebody else made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from spikec.__main__ import spikec
from spikec.compiler.diagnostics import CODES

ROOT = Path(__file__).parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")

MISSPELT = ("--timestep",)
"""Shown by ``spikec explain E631`` as what is not understood."""
OF_INSTALLERS = ("--ignore-requires-python", "--no-deps", "--python")
"""Those of pip and uv with which Lava is installed."""

OF_DASK = ("--nthreads",)
"""Shown where a cluster has to be started."""

OF_READERS_CHECK = ("--reader", "--plain")
"""Those of the script that is exported beside a NIR graph."""


def strings() -> Iterator[tuple[str, str]]:
    """Where, and text of, every string of the sources that is no docstring, and of every explained code."""
    for folder in ("compiler", "runtime", "models", "targets"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            documentation = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                and node.body
                and isinstance(node.body[0], ast.Expr)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def options() -> set[str]:
    commands = spikec.commands.values()
    parameters = [p for command in commands for p in command.params if isinstance(p, click.Option)]
    return {flag for p in parameters for flag in (*p.opts, *p.secondary_opts)} | {
        "--help",
        *MISSPELT,
        *OF_INSTALLERS,
        *OF_DASK,
        *OF_READERS_CHECK,
    }


def test_every_option_that_is_named_exists() -> None:
    named = {(where, option) for where, text in strings() for option in OPTION.findall(text)}
    assert len(named) > 50
    assert sorted((where, option) for where, option in named if option not in options()) == []


def test_every_command_that_is_named_exists() -> None:
    texts = [text for code in CODES.values() for text in (code.what, code.why, code.fix)]
    named = {name for text in texts for name in re.findall(r"'spikec ([a-z-]+)", text)}
    assert len(named) > 3
    assert named <= set(spikec.commands)


@pytest.mark.parametrize("phrase", ["export again", "export the model again", "before exporting", "then export"])
def test_no_hint_takes_the_reader_for_the_one_who_exported(phrase: str) -> None:
    assert [where for where, text in strings() if phrase in text] == []
