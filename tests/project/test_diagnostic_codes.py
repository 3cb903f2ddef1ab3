"""Every code is explained, used, triggered by a test, and in its family."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from spikec.compiler.diagnostics import CODES, Code
from spikec.compiler.diagnostics.codes import FAMILIES

ROOT = Path(__file__).parents[2]
ENTRIES = ROOT / "compiler" / "diagnostics" / "codes"
CODE = re.compile(r"[EWI]\d{3}")


def literals(folders: tuple[str, ...], without: tuple[Path, ...] = ()) -> dict[str, set[str]]:
    """Codes that stand as a whole in a string of the sources, and the files that they stand in."""
    found: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if any(path.is_relative_to(each) for each in without):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.setdefault(node.value, set()).add(path.name)
    return found


USED = literals(("compiler", "runtime", "targets", "models"), (ENTRIES,)) | {
    code: {"__main__.py"} for code in CODE.findall((ROOT / "__main__.py").read_text())
}


def codes_in_tests() -> set[str]:
    tests = (path for path in (ROOT / "tests").rglob("*.py") if path.parent != Path(__file__).parent)
    return {code for path in tests for code in CODE.findall(path.read_text())}


def test_codes_are_unique() -> None:
    listed = [code.id for family in FAMILIES for code in family.CODES]
    assert sorted(listed) == sorted(set(listed)) == sorted(CODES)


def test_every_family_file_is_listed() -> None:
    files = {path.stem for path in ENTRIES.glob("*.py")} - {"__init__"}
    assert {family.__name__.rsplit(".", 1)[1] for family in FAMILIES} == files


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__.rsplit(".", 1)[1])
def test_codes_stand_in_their_family(family: object) -> None:
    allowed = re.findall(r"(\d)xx", family.__doc__ or "")
    assert allowed, "the file's docstring names the hundreds that it holds"
    strays = [code.id for code in family.CODES if code.id[1] not in allowed]  # type: ignore[attr-defined]
    assert not strays


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.id)
def test_entries_are_complete(code: Code) -> None:
    assert CODE.fullmatch(code.id)
    for field in fields(code):
        text = getattr(code, field.name)
        assert text.strip() == text
        assert text
    assert code.id in code.example
    assert "\n" not in code.title
    assert not code.title.endswith(".")


def test_every_code_that_is_used_is_explained() -> None:
    assert not {code: files for code, files in USED.items() if code not in CODES}


def test_every_explained_code_is_used() -> None:
    assert not set(CODES) - set(USED)


def test_every_code_is_triggered_by_a_test() -> None:
    assert not set(CODES) - codes_in_tests()
