"""``spikec export --format netx``: a folder that lava-dl runs, and what keeps a program from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Cli = Callable[..., tuple[int, str, str]]


def test_files_for_netx(cli: Cli, bench: Path, tmp_path: Path) -> None:
    compile_it = ("compile", bench / "net.onnx", "--target", "lava-stock", "--timesteps", "1", "-o", tmp_path / "net")
    assert cli(*compile_it)[0] in (0, 1)
    call = ("export", tmp_path / "net", "--format", "netx", "--data", bench / "data.npz", "-o", tmp_path / "out")
    code, out, err = cli(*call, "--limit", "2")
    assert (code, err) == (0, "")
    names = {"input.npz", "network.json", "network.net", "run.py"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert "run.py" in out
    layers = json.loads((tmp_path / "out" / "network.json").read_text())["layers"]
    assert [layer["depth"] for layer in layers] == list(range(1, len(layers) + 1))
    with np.load(tmp_path / "out" / "input.npz") as archive:
        assert len(archive["samples"]) == 2
    (tmp_path / "out" / "results.npz").write_bytes(b"")
    assert cli(*call)[0] == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    code, _, err = cli(*call)
    assert (code, "E614" in err, "notes.txt" in err) == (2, True, True)


def test_a_longer_window_is_refused(cli: Cli, bench: Path, tmp_path: Path) -> None:
    call = ("export", bench / "artefact", "--format", "netx", "--data", bench / "data.npz", "-o", tmp_path / "out")
    code, _, err = cli(*call)
    assert (code, "E349" in err) == (2, True)
    assert not (tmp_path / "out").exists()
