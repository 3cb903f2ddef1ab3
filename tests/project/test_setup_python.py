"""Which Python the script that makes the environment takes, and what it installs there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stands in for a Python: answers questions about its version, makes environments of its kind, writes down the rest.
PYTHON = """#!/usr/bin/env bash
if [ "$1" = -c ]; then exec {real} -S -c "import sys; sys.version_info = {version}; ${{2#import sys; }}"; fi
echo "{name} $*" >>"{calls}"
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    printf '#!/usr/bin/env bash\\necho "uv $*" >>"{calls}"\\n' >"$3/bin/uv"
    chmod +x "$3/bin/uv"
fi
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with the script, and a ``path`` with four Pythons, and with a uv that reaches nothing."""
    (tmp_path / ".ci").mkdir()
    for name in ("setup", "find-python", "constraints.txt", "constraints-newer.txt"):
        shutil.copy(ROOT / ".ci" / name, tmp_path / ".ci" / name)
    for name in ("pyproject.toml", "__init__.py", "__main__.py", *(f"{d}/a.py" for d in ("compiler", "models"))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("runtime", "targets", "path"):
        (tmp_path / name).mkdir()
    for version in ("3.9", "3.10", "3.12", "3.13"):
        path = tmp_path / "path" / f"python{version}"
        told = {"real": sys.executable, "version": tuple(map(int, version.split("."))), "name": path.name}
        path.write_text(PYTHON.format(**told, calls=tmp_path / "calls"))
        path.chmod(0o755)
    uv = tmp_path / "path" / "uv"
    uv.write_text('#!/usr/bin/env bash\n[ "$1" = --version ]\n')
    uv.chmod(0o755)
    return tmp_path


def set_up(tree: Path, python: str | None = None) -> tuple[int, str, list[str]]:
    """Exit code and stderr of the script, and what it asked of Pythons and of uv."""
    asked = {} if python is None else {"SPIKEC_PYTHON": python}
    path = f"{tree / 'path'}:{os.defpath}"
    ended = subprocess.run(
        ["bash", ".ci/setup"],
        cwd=tree,
        env={"PATH": path, "HOME": str(tree), **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = tree / "calls"
    return ended.returncode, ended.stderr, calls.read_text().splitlines() if calls.exists() else []


def test_python_3_10_comes_first_and_has_lava_by_its_metadata(tree: Path) -> None:
    code, _, calls = set_up(tree)
    assert code == 0
    assert calls[0] == "python3.10 -m venv .venv"
    assert [call for call in calls if "--constraint .ci/constraints.txt" in call]
    assert not [call for call in calls if "--install-lava" in call]


@pytest.mark.parametrize("asked", ["3.13", "python3.13", "path/python3.13"])
def test_another_python_is_asked_for_and_lava_installed_there(tree: Path, asked: str) -> None:
    code, _, calls = set_up(tree, asked)
    assert code == 0
    assert calls[0] == "python3.13 -m venv .venv"
    assert [call for call in calls if "--constraint .ci/constraints-newer.txt" in call]
    assert calls[-1] == "python3.13 -m spikec doctor --install-lava"
    assert set_up(tree, asked)[2] == calls


def test_the_newest_that_was_tried_stands_in_for_3_10(tree: Path) -> None:
    (tree / "path" / "python3.10").unlink()
    assert set_up(tree)[2][0] == "python3.13 -m venv .venv"


def test_an_environment_of_another_python_stays_and_is_told(tree: Path) -> None:
    assert set_up(tree)[0] == 0
    code, error, calls = set_up(tree, "3.13")
    assert code == 2
    assert ".venv has another Python than 3.13" in error
    assert not [call for call in calls if call.startswith("python3.13")]


def test_a_python_that_is_too_old_is_refused(tree: Path) -> None:
    code, error, calls = set_up(tree, "3.9")
    assert code == 2
    assert "spikec needs Python 3.10 or newer" in error
    assert not [call for call in calls if "spikec" in call]
