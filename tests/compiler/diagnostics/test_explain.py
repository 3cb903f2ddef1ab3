from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from spikec.compiler.diagnostics import CODES
from spikec.compiler.diagnostics.codes import FAMILIES
from spikec.compiler.diagnostics.commands import explain


def test_explain_one_code(golden: Callable[[str, str], None]) -> None:
    result = CliRunner().invoke(explain, ["e301"])
    assert result.exit_code == 0
    golden("E301.txt", result.output)


def test_unknown_code_names_the_nearest() -> None:
    result = CliRunner().invoke(explain, ["E3O1"])
    assert result.exit_code == 2
    assert "there is no diagnostic 'E3O1'. Did you mean E301?" in " ".join(result.output.split())


def test_code_without_its_letter_is_recognised() -> None:
    assert "Did you mean E308?" in CliRunner().invoke(explain, ["308"]).output


def test_nothing_like_a_code_gets_no_guess() -> None:
    output = CliRunner().invoke(explain, ["why"]).output
    assert "there is no diagnostic 'why'." in output
    assert "Did you mean" not in output


def test_without_a_code_all_are_listed() -> None:
    result = CliRunner().invoke(explain, [])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == sorted(CODES, key=lambda c: (c[1:], c))


def test_no_code_is_used_twice() -> None:
    listed = [code.id for family in FAMILIES for code in family.CODES]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("code", sorted(CODES))
def test_entry_is_complete_and_can_be_explained(code: str) -> None:
    entry = CODES[code]
    assert re.fullmatch(r"[EWI]\d{3}", code)
    assert all((entry.title, entry.what, entry.why, entry.example, entry.fix))
    output = CliRunner().invoke(explain, [code]).output
    assert output.startswith(f"{code}: {entry.title}")
    assert " ".join(entry.fix.split()) in " ".join(output.split())
