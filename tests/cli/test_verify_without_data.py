"""``verify DIR``: an artefact is compared with what it was compiled with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.runtime import backends
from spikec.runtime.execution import Execution

Cli = Callable[..., tuple[int, str, str]]


def test_an_artefact_verifies_itself(bench: Path, cli: Cli, json_of: Callable[..., dict[str, Any]]) -> None:
    code, out, _ = cli("verify", bench / "artefact", "--backends", "reference,simulator")
    assert code == 0
    first, second = out.splitlines()
    assert first.startswith("equal: reference, simulator (2 samples")
    assert second.startswith("as expected: reference, simulator give on the 2 samples")
    found = json_of("verify", bench / "artefact", "--backends", "simulator", "--json")
    assert (found["equal"], found["as_expected"], found["unexpected"]) == (True, True, None)


def test_a_machine_that_computes_something_else_is_told(bench: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    right = backends.BACKENDS["simulator"]

    def wrong(program: Any, samples: Any, **how: Any) -> Execution:
        samples = np.zeros_like(samples)
        return right(program, samples, **how)

    monkeypatch.setitem(backends.BACKENDS, "simulator", wrong)
    code, out, _ = cli("verify", bench / "artefact", "--backends", "simulator")
    assert code == 1
    assert "not as expected: layer 'c' on simulator counts" in out


def test_what_cannot_verify_itself_is_refused(
    bench: Path, tmp_path: Path, refused: Callable[..., list[str]], cli: Cli
) -> None:
    folder = shutil.copytree(bench / "artefact", tmp_path / "old")
    (folder / "selftest.json").unlink()
    assert "E037" in refused("verify", folder)[0]
    assert cli("verify", folder, "--data", bench / "data.npz", "--backends", "reference,simulator")[0] == 0
    assert "E630" in refused("verify", bench / "artefact", "--limit", 1)[0]
    assert "E641" in refused("verify", bench / "artefact", "--backends", ",")[0]
