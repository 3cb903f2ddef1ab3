"""The script that makes the environment: it installs when it must, and again when the package's files have changed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("compiler", "models", "runtime", "targets")

# Stands in for Python and for uv: writes down what it was called with.
RECORDER = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"$(dirname "$0")/calls"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with the script and an environment that only records what is asked of it."""
    (tmp_path / ".ci").mkdir()
    for name in ("setup", "constraints.txt", "constraints-newer.txt"):
        shutil.copy(ROOT / ".ci" / name, tmp_path / ".ci" / name)
    for name in ("pyproject.toml", "__init__.py", "__main__.py", *(f"{folder}/a.py" for folder in FOLDERS)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "uv"):
        (binaries / name).write_text(RECORDER)
        (binaries / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def installs(tree: Path) -> Callable[[], int]:
    """``installs()``: run the script, and count how often it installed."""

    def count() -> int:
        calls = tree / ".venv" / "bin" / "calls"
        calls.unlink(missing_ok=True)
        subprocess.run(["bash", ".ci/setup", "test"], cwd=tree, check=True, capture_output=True)
        lines = calls.read_text().splitlines() if calls.exists() else []
        return sum(line.startswith("uv pip install") for line in lines)

    return count


def test_it_installs_once(installs: Callable[[], int]) -> None:
    assert [installs(), installs()] == [1, 0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_file_that_appears_moves_or_goes_is_installed(tree: Path, installs: Callable[[], int], folder: str) -> None:
    assert installs() == 1
    (tree / folder / "b.py").touch()
    assert [installs(), installs()] == [1, 0]
    (tree / folder / "b.py").rename(tree / folder / "c.py")
    assert [installs(), installs()] == [1, 0]
    (tree / folder / "c.py").unlink()
    assert [installs(), installs()] == [1, 0]


def test_a_change_of_the_kernel_is_built(tree: Path, installs: Callable[[], int]) -> None:
    assert installs() == 1
    kernel = tree / "runtime" / "simulator" / "kernel" / "work.c"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("int one;")
    assert [installs(), installs()] == [1, 0]
    kernel.write_text("int two;")
    assert [installs(), installs()] == [1, 0]


def test_what_python_and_the_tests_leave_behind_is_no_change(tree: Path, installs: Callable[[], int]) -> None:
    assert installs() == 1
    (tree / "compiler" / "a.py").write_text("changed = True\n")
    (tree / "runtime" / "__pycache__").mkdir()
    (tree / "runtime" / "__pycache__" / "a.pyc").touch()
    (tree / "tests").mkdir()
    (tree / "tests" / "test_a.py").touch()
    assert installs() == 0
