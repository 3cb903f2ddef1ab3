"""Full disks, closed streams, broken libraries, no memory: each told as what it is, never as a fault of spikec."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Imported while check_model is another, it would keep that one.
import spikec.compiler.target_choice  # noqa: F401
from spikec.models.shipped import shipped_checkpoint
from spikec.runtime.simulator import loops, tensors
from spikec.targets.diagnostic import DiagnosticWarning

Cli = Callable[..., tuple[int, str, str]]
FULL = Path("/dev/full")


def ended(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spikec", *map(str, arguments)]
    return subprocess.run(command, text=True, check=False, timeout=120, **settings)


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [(("--help",), ""), (("--help",), "1"), ((), ""), (("explain",), ""), (("targets",), ""), (("targets",), "1")],
)
def test_full_disk_behind_stdout(arguments: tuple[str, ...], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with FULL.open("w") as full:
        done = ended(*arguments, stdout=full, stderr=subprocess.PIPE, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error E650: standard output cannot be written (No space left on device)")
    assert done.stderr.count("\n") == 1


def test_full_disk_behind_the_result_of_check(bench: Path) -> None:
    with FULL.open("w") as full:
        done = ended("check", bench / "net.onnx", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error E650")


def test_closed_streams(bench: Path) -> None:
    done = ended("explain", stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error E650: standard output cannot be written (it is closed)")
    done = ended("check", "none.onnx", stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (2, "")


def test_full_disk_behind_stderr() -> None:
    with FULL.open("w") as full:
        assert ended("check", "none.onnx", stderr=full).returncode == 2


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (MemoryError("Unable to allocate 14.5 GiB"), "E652"),
        (RecursionError("maximum recursion depth exceeded"), "E653"),
        (OSError(28, "No space left on device", "/tmp/x"), "E651"),
        (BrokenPipeError(32, "Broken pipe"), "E651"),
        (KeyError("x"), "E902"),
    ],
)
def test_failures_inside_a_command(
    cli: Cli, bench: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("spikec.compiler.compilation.check_model", fail)
    exit_code, out, err = cli("check", bench / "net.onnx")
    assert (exit_code, out) == (2, "")
    assert err.startswith(f"error {code}: ")
    assert err.count("\n") == 1


def test_interrupt_inside_a_command(cli: Cli, bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spikec.compiler.compilation.check_model", interrupt)
    assert cli("check", bench / "net.onnx") == (130, "", "interrupted\n")


def test_no_space_for_files(cli: Cli, bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for arguments in (
        ("compile", bench / "net.onnx", "-o", tmp_path / "out"),
        ("report", bench / "artefact", "-o", tmp_path / "report.txt"),
        ("run", bench / "artefact", "--data", bench / "data.npz", "--output", tmp_path / "out.npz"),
    ):
        code, _, err = cli(*arguments)
        assert code == 2
        assert err.startswith("error E615: ")
        assert "No space left on device" in err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """``broken(library, statement)``: the library is installed, and loading it executes the statement."""

    def install(name: str, statement: str) -> None:
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text(statement)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return install


MISSING = "raise OSError('libcudart.so.12: cannot open shared object file: No such file or directory')"


def test_simulator_does_not_ask_for_torch(broken: Callable[[str, str], None], bench: Path) -> None:
    broken("torch", MISSING)
    done = ended("run", bench / "artefact", "--data", bench / "data.npz", "--json", capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_training_refuses_a_broken_torch(broken: Callable[[str, str], None], tmp_path: Path) -> None:
    broken("torch", MISSING)
    for arguments in (
        ("train", "--dataset", "digits", "-o", tmp_path / "out"),
        ("check", shipped_checkpoint()),
        ("calibrate-weights", shipped_checkpoint(), "--timesteps", 2, "-o", tmp_path / "out"),
    ):
        done = ended(*arguments, capture_output=True)
        assert done.returncode == 2
        assert done.stderr.startswith("error E644: ")
        assert "torch is installed and cannot be loaded (OSError: libcudart" in done.stderr


def test_a_broken_core_library_is_named(broken: Callable[[str, str], None], bench: Path) -> None:
    broken("onnx", "raise ImportError('undefined symbol', name='onnx')")
    done = ended("check", bench / "net.onnx", capture_output=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error E644: onnx is installed and cannot be loaded (ImportError: undefined symbol)")


def test_loops_without_a_broken_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spikec.runtime.simulator.compiled", None)
    monkeypatch.delattr("spikec.runtime.simulator.compiled", raising=False)
    loops.installed_loops.cache_clear()
    try:
        with pytest.warns(DiagnosticWarning, match="W644 numba is installed and cannot be loaded"):
            assert loops.installed_loops() is None
    finally:
        loops.installed_loops.cache_clear()


@pytest.mark.parametrize("statement", [MISSING, "raise ImportError('built for another numpy')", "import nothing_there"])
def test_python_is_warned_of_a_broken_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(statement)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.warns(DiagnosticWarning, match="W644 torch"):
        assert tensors.loaded_torch() is None


def test_plots_refuse_a_broken_matplotlib(broken: Callable[[str, str], None], bench: Path, tmp_path: Path) -> None:
    broken("matplotlib", "raise ImportError('no freetype')")
    data = ("--data", bench / "data.npz", "--plot", tmp_path / "plot.svg")
    done = ended("evaluate", bench / "net.onnx", *data, capture_output=True)
    assert (done.returncode, done.stderr.split(":")[0]) == (2, "error E644")


def test_stdout_that_does_not_know_a_character(bench: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = ended("compile", bench / "net.onnx", "-o", tmp_path / "層", capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u5c64" in done.stdout
