"""The same input gives the same bytes, and an artefact is there whole or not at all, whatever happens."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.models.shipped import shipped_checkpoint
from spikec.runtime.program.storage import load_program

Process = Callable[..., subprocess.Popen[str]]
Cli = Callable[..., tuple[int, str, str]]

FILES = ["program.json", "report.html", "report.json", "selftest.json", "tensors.npz"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def require_whole(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert load_program(folder).populations
    assert (folder / "report.html").read_bytes().rstrip().endswith(b"</html>")


def test_compiling_twice_gives_the_same_bytes(cli: Cli, process: Process, bench: Path, tmp_path: Path) -> None:
    calibrated = ("--calibration", bench / "data.npz", "--timesteps", "2")
    for name in ("a", "b"):
        assert cli("compile", bench / "net.onnx", "-o", tmp_path / name, *calibrated)[0] == 0
    started = [
        process("compile", bench / "net.onnx", "-o", tmp_path / f"seed{seed}", *calibrated, PYTHONHASHSEED=seed)
        for seed in ("0", "4242")
    ]
    for each in started:
        _, err = each.communicate(timeout=120)
        assert each.returncode == 0, err
    first = contents(tmp_path / "a")
    assert list(first) == FILES
    for name in ("b", "seed0", "seed4242"):
        assert contents(tmp_path / name) == first


def test_compiling_over_an_artefact_gives_the_same_bytes(cli: Cli, bench: Path, tmp_path: Path) -> None:
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "out", "--timesteps", "8")[0] == 0
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "out")[0] == 0
    assert contents(tmp_path / "out") == contents(bench / "artefact")


@pytest.mark.slow
def test_checkpoints_give_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert cli("compile", shipped_checkpoint(), "-o", tmp_path / name, "--timesteps", "2")[0] == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_artefact_does_not_depend_on_where_it_was_made(
    cli: Cli, bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "net.onnx").write_bytes((bench / "net.onnx").read_bytes())
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli("compile", "net.onnx", "-o", "out")[0] == 0
    assert contents(tmp_path / "elsewhere" / "out") == contents(bench / "artefact")


@pytest.mark.slow
def test_killed_at_any_moment(process: Process, cli: Cli, bench: Path, tmp_path: Path) -> None:
    moments = random.Random(0)
    for number in range(6):
        out = tmp_path / f"out{number}"
        started = process("compile", bench / "net.onnx", "-o", out)
        time.sleep(moments.uniform(0.05, 3.0))
        started.send_signal(signal.SIGKILL)
        started.communicate(timeout=120)
        if out.exists():
            require_whole(out)
        assert cli("compile", bench / "net.onnx", "-o", out)[0] == 0
        require_whole(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"out{number}" for number in range(6)]


def test_interrupted(process: Process, bench: Path, saved: Any, tmp_path: Path) -> None:
    many = np.random.default_rng(0).integers(0, 256, size=(3000, 1, 8, 8)).astype(np.uint8)
    (tmp_path / "data.npz").write_bytes(saved(inputs=many))
    started = process("run", bench / "artefact", "--data", tmp_path / "data.npz", "--backend", "reference")
    time.sleep(4.0)  # past the imports, where Python itself would answer; the run takes a minute or more
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert (started.returncode, out) == (130, "")
    assert err.strip().splitlines()[-1] == "interrupted"
    assert "Traceback" not in err


def test_closed_pipe(bench: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "spikec", "explain"], stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=False
        )
    assert (ended.returncode, ended.stderr) == (0, b"")


COMMANDS = {
    "run": ("--data", "data.npz"),
    "verify": ("--data", "data.npz", "--backends", "reference,simulator"),
    "profile": ("--data", "data.npz"),
    "report": (),
}


def negated(folder: Path) -> None:
    with np.load(folder / "tensors.npz") as archive:
        tensors = {name: -values for name, values in archive.items()}
    np.savez(folder / "tensors.npz", **tensors)


@pytest.mark.parametrize("command", COMMANDS)
def test_files_of_different_compilations_are_refused_by_name(
    refused: Callable[..., list[str]], cli: Cli, bench: Path, tmp_path: Path, command: str
) -> None:
    options = [bench / option if option.endswith(".npz") else option for option in COMMANDS[command]]
    shutil.copytree(bench / "artefact", tmp_path / "edited")
    negated(tmp_path / "edited")
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "mixed", "--timesteps", "8")[0] == 0
    shutil.copy(bench / "artefact" / "report.json", tmp_path / "mixed")
    for folder, names in (("edited", ("program.json", "tensors.npz")), ("mixed", ("report.json", "program.json"))):
        text = " ".join(refused(command, tmp_path / folder, *options))
        assert "E616" in text
        assert all(name in text for name in names)
