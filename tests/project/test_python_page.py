"""What the page about Python has a server do runs as it stands, and only the first sample waits for the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spikec.__main__ import run
from spikec.models.shipped import shipped_model
from spikec.runtime.program import Program
from spikec.runtime.simulator import simulation
from spikec.runtime.simulator.ways import Chosen

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_one_sample_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = PAGE.read_text(encoding="utf-8").split("## One sample at a time")[1]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    assert run(["compile", str(shipped_model()), "--timesteps", "4", "-o", "out"]) == 0
    made, layers_of = list[str](), simulation._layers_of

    def counted(program: Program, device: str, chosen: Chosen) -> object:
        made.append(program.name)
        return layers_of(program, device, chosen)

    monkeypatch.setattr(simulation, "_layers_of", counted)
    capsys.readouterr()
    exec(block, {})
    assert len(made) == 1
    predicted, scores = capsys.readouterr().out.split(" ", 1)
    assert int(predicted) in range(10)
    assert len(re.findall(r"-?\d+\.\d+", scores)) == 10
