"""A wheel carries the simulator's kernel where it can be built, and is the same but for it where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from scikit_build_core.build import build_wheel; build_wheel(sys.argv[1])"
KERNEL = "spikec/runtime/simulator/spikes.so"


def wheel(folder: Path, **environment: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_without_a_compiler_the_package_has_no_kernel(tmp_path: Path) -> None:
    built = wheel(tmp_path, CC="no-compiler")
    names = zipfile.ZipFile(built).namelist()
    assert built.name.endswith("-py3-none-any.whl")
    assert KERNEL not in names
    assert {"spikec/__init__.py", "spikec/py.typed", "spikec/runtime/simulator/native.py"} <= set(names)


@pytest.mark.slow
def test_one_wheel_with_the_kernel_serves_every_python(tmp_path: Path) -> None:
    built = wheel(tmp_path)
    assert "-py3-none-" in built.name
    assert not built.name.endswith("-any.whl")
    names = zipfile.ZipFile(built).namelist()
    assert KERNEL in names
    installed = tmp_path / "installed"
    zipfile.ZipFile(built).extractall(installed)
    code = "from spikec.runtime.simulator.native import chosen_instruction_set as c; print(c().library._name)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(installed), *sys.path]!r}; {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(installed / KERNEL)
