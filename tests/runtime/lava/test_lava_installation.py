"""How Lava comes into an environment: the command for each Python, and what is told where it fails."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from spikec.__main__ import run
from spikec.runtime.lava import availability, installation

# The package has a function of the module's name.
SEARCH = sys.modules[availability.__module__]

# Stands in for Python with pip: writes down what it was called with, and ends as it is told to.
RECORDER = """#!/usr/bin/env bash
echo "$*" >"$(dirname "$0")/call"
echo installing
exit {status}
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "python"
    path.write_text(RECORDER.format(status=0))
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


def without_pip(monkeypatch: pytest.MonkeyPatch, uv: str | None) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: uv)


@pytest.mark.parametrize("newer", [False, True])
def test_the_metadata_is_overruled_on_newer_pythons_alone(monkeypatch: pytest.MonkeyPatch, newer: bool) -> None:
    monkeypatch.setattr(installation, "needs_mending", lambda: newer)
    monkeypatch.setattr(sys, "executable", "python")
    by_pip = " ".join(installation.install_command() or [])
    without_pip(monkeypatch, "uv")
    by_uv = " ".join(installation.install_command() or [])
    if newer:
        beside = "--no-deps lava-nc==0.10.0 asteval networkx scipy"
        assert by_pip == f"python -m pip install --ignore-requires-python {beside}"
        assert by_uv == f"uv pip install --python python {beside}"
    else:
        assert by_pip == "python -m pip install lava-nc==0.10.0"
        assert by_uv == "uv pip install --python python lava-nc==0.10.0"


def test_doctor_installs_lava_and_keeps_stdout_for_the_result(python: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--install-lava"]) == 0
    printed = capfd.readouterr()
    assert (python.parent / "call").read_text().startswith("-m pip install ")
    assert "installing" in printed.err
    assert "installing" not in printed.out
    assert "lava backend: " in printed.out


def test_an_installer_that_fails_is_told(python: Path, capfd: pytest.CaptureFixture[str]) -> None:
    python.write_text(RECORDER.format(status=3))
    assert run(["doctor", "--install-lava"]) == 2
    error = capfd.readouterr().err
    assert "error E656: lava-nc could not be installed: the installer ended with status 3" in error
    assert "-m pip install" in error


def test_no_installer_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with monkeypatch.context() as patched:
        without_pip(patched, None)
        assert installation.install_command() is None
    monkeypatch.setattr(installation, "install_command", lambda: None)
    assert run(["doctor", "--install-lava"]) == 2
    assert "error E656: lava-nc cannot be installed: there is neither pip nor uv" in capfd.readouterr().err


def test_doctor_says_the_command_where_lava_is_missing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SEARCH, "_is_missing", lambda name: name == "lava")
    assert run(["doctor"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "lava backend: not available: lava-nc is not installed" in lines
    (told,) = (line for line in lines if line.startswith("to install lava: "))
    assert "spikec doctor --install-lava, or by hand: " in told
    assert "lava-nc==0.10.0" in told
