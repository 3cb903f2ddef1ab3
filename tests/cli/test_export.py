"""``spikec export``: the files for another tool, and what keeps a program from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spikec.compiler.mapping import place
from spikec.compiler.mapping.cores_of import cores_of
from spikec.runtime.program.storage import load_program
from spikec.targets import load

Cli = Callable[..., tuple[int, str, str]]


def test_files_for_sanafe(cli: Cli, bench: Path, tmp_path: Path) -> None:
    call = ("export", bench / "artefact", "--format", "sanafe", "--data", bench / "data.npz", "-o", tmp_path / "out")
    code, out, err = cli(*call, "--target", "loihi1", "--limit", 2)
    assert (code, err) == (0, "")
    names = {"architecture.yaml", "network.json", "network.npz", "run.py"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert "run.py" in out
    structure = json.loads((tmp_path / "out" / "network.json").read_text())
    assert structure["samples"] == 2
    program = load_program(bench / "artefact")
    cores = cores_of(place(program, load("loihi1")))
    with np.load(tmp_path / "out" / "network.npz") as arrays:
        for number, population in enumerate(program.populations):
            # Tiles of four cores lie elsewhere on the mesh, but together.
            written = arrays[f"population{number}.core"]
            assert np.array_equal(written % 4, cores[population.name] % 4)
            pairs = set(zip((written // 4).tolist(), (cores[population.name] // 4).tolist(), strict=True))
            assert len({tile for tile, _ in pairs}) == len({tile for _, tile in pairs}) == len(pairs)
    (tmp_path / "out" / "results.json").write_text("{}")
    assert cli(*call, "--target", "loihi1")[0] == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    code, _, err = cli(*call, "--target", "loihi1")
    assert code == 2
    assert "E614" in err
    assert "notes.txt" in err


def test_a_chip_without_figures_is_refused(cli: Cli, bench: Path, tmp_path: Path) -> None:
    call = ("export", bench / "artefact", "--format", "sanafe", "--data", bench / "data.npz", "-o", tmp_path / "out")
    code, _, err = cli(*call, "--target", "loihi2")
    assert code == 2
    assert "E331" in err
    assert not (tmp_path / "out").exists()
