"""What is printed between passes, by the lines that the guide for contributors shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spikec.compiler.compilation import build_program
from spikec.compiler.options import CompileOptions
from spikec.compiler.pipeline import PASSES

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_guide(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(bench)
    exec(example, {})
    assert capsys.readouterr().out.startswith("spiking network")


def test_every_stage_is_printed_at_its_lowest_level(bench: Path) -> None:
    pipeline = build_program(bench / "net.onnx", CompileOptions(timesteps=4)).pipeline
    first = {name: pipeline.printed(name).split()[0] for name in pipeline.stages}
    assert list(first) == ["read-onnx", *(kind().name for kind in PASSES)]
    assert list(dict.fromkeys(first.values())) == ["network", "spiking", "program"]
    assert first["read-onnx"] == "network"
    assert first["prove-no-overflow"] == "program"
    with pytest.raises(KeyError):
        pipeline.printed("no-such-pass")
