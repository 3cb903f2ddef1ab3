"""Events or dense products on the command line: asked for with --way, told by -v, refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spikec.runtime.simulator.native import CHOICE, available_instruction_sets

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.skipif(not available_instruction_sets(), reason="there is no kernel, which alone has two ways")
def test_run_takes_the_way_that_is_asked_for(bench: Path, cli: Cli, json_of: Callable[..., dict[str, Any]]) -> None:
    call = ("run", bench / "artefact", "--data", bench / "data.npz")

    def told(*way: str) -> list[str]:
        code, _, err = cli(*call, "-v", *way)
        assert code == 0
        return [line for line in err.splitlines() if "graded" in line or "rate" in line]

    for way in ("events", "dense"):
        first, last = told("--way", way)
        assert first.endswith(", dense, the only way")
        assert last.endswith(f", {way}")
        assert "only" not in last
        usual, asked = json_of(*call, "--json"), json_of(*call, "--json", "--way", way)
        assert {**usual, "seconds": 0} == {**asked, "seconds": 0}
    assert told("--way", "auto") == told()


def test_numpy_has_one_way(bench: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "none")
    code, _, err = cli("run", bench / "artefact", "--data", bench / "data.npz", "-v", "--way", "events")
    assert code == 0
    assert [line.endswith(", numpy") for line in err.splitlines() if "graded" in line or "rate" in line] == [True] * 2


def test_other_backends_have_no_way(bench: Path, refused: Callable[..., list[str]]) -> None:
    call = ("run", bench / "artefact", "--data", bench / "data.npz")
    (line,) = refused(*call, "--backend", "reference", "--way", "dense")
    assert "E630" in line
    assert "--way" in line
    (line,) = refused(*call, "--way", "sparse")
    assert "E631" in line
