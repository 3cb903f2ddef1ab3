"""What is told of the methods, with a model and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spikec.compiler.methods.described import ABOUT, needs_of
from spikec.compiler.methods.table import METHODS


def test_every_method_is_described() -> None:
    assert tuple(ABOUT) == tuple(METHODS)
    for method in METHODS.values():
        needs = " ".join(needs_of(method))
        assert ("calibration data" in needs) == method.needs_calibration
        assert ("neurons '" in needs) or method.plain_if
        assert ("record says" in needs) == (method.trained is not None)


def test_the_list_and_which_apply(bench: Path, json_of: Callable[..., dict[str, Any]], cli: Any) -> None:
    listed = json_of("methods", "--json")["methods"]
    assert [row["name"] for row in listed] == list(METHODS)
    found = {row["name"]: row for row in json_of("methods", bench / "net.onnx", "--json")["methods"]}
    assert {name for name, row in found.items() if row["applies"]} >= {"qc-ann", "lmpc", "exact", "srp", "graded"}
    assert "levels" in found["max-norm"]["reason"]
    assert "spikec train" in found["deploy"]["reason"]
    code, out, _ = cli("methods", bench / "net.onnx")
    assert code == 0
    assert "max-norm: thresholds are the largest activations" in out
    assert "    does not apply: every activation has levels" in out


def test_weights_of_a_file_are_not_trained(bench: Path, tmp_path: Path, refused: Callable[..., list[str]]) -> None:
    (line,) = refused("calibrate-weights", bench / "net.onnx", "--timesteps", "2", "-o", tmp_path / "out")
    assert line.startswith("error E713")
    assert "--calibration" in line
