"""Artefacts that earlier versions wrote are read, and compute what they computed then."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import spikec
from spikec.compiler.report.stored import read_report
from spikec.runtime.program.storage import FORMAT, program_files
from spikec.runtime.self_test import load_self_test
from spikec.targets.diagnostic import UnusableInput

KEPT = Path(__file__).parent / "kept"
FIRST = {
    "plain": [[390344, -16420, 91460], [497992, 2780, 107076], [433224, 89180, -6204]],
    "exact": [[6148, -136, 386], [4332, 896, 1026], [6124, 736, 394]],
    "graded": [[390656, -14976, 88704], [497792, 0, 104320], [424960, 92288, -9984]],
}
SPIKES = {"plain": {"c": 793}, "exact": {"c": 394, "p.columns": 73, "p.rows": 30}, "graded": {"c": 367}}


@pytest.mark.parametrize("name", sorted(FIRST))
def test_what_an_earlier_version_wrote_gives_what_it_gave(name: str) -> None:
    with np.load(KEPT / "inputs.npz") as archive:
        inputs = archive["inputs"]
    folder = KEPT / f"program-3-{name}"
    program = spikec.load_program(folder)
    execution = spikec.simulate(program, inputs)
    assert execution.readout.tolist() == FIRST[name]
    assert execution.spike_counts == SPIKES[name]
    assert {file: (folder / file).read_bytes() for file in ("program.json", "tensors.npz")} == program_files(program)
    with pytest.raises(UnusableInput, match="E037"):
        load_self_test(folder, program)


def test_its_report_is_read() -> None:
    assert read_report(KEPT / "program-3-plain").verdict == "fits"


def test_another_format_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = shutil.copytree(KEPT / "program-3-plain", tmp_path / "later")
    file = folder / "program.json"
    assert FORMAT in file.read_text()
    file.write_text(file.read_text().replace(FORMAT, "spikec-program/4"))
    with pytest.raises(UnusableInput, match=r"E612 .*spikec-program/4"):
        spikec.load_program(folder)
