"""The list of mutations stays alive: what each one replaces stands in the code once, and its tests are there."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
MUTATIONS = tomllib.loads((ROOT / "tests" / "mutations" / "mutations.toml").read_text(encoding="utf-8"))["mutation"]


def test_names_are_unique() -> None:
    names = [each["name"] for each in MUTATIONS]
    assert len(names) > 80
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation["name"])
def test_each_can_be_applied(mutation: dict[str, Any]) -> None:
    text = (ROOT / mutation["file"]).read_text(encoding="utf-8")
    assert text.count(mutation["old"]) == 1
    changed = text.replace(mutation["old"], mutation["new"])
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert mutation["tests"]
    assert all((ROOT / test).exists() for test in mutation["tests"])
