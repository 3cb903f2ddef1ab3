"""The source archive holds every source once, and all that a wheel is made of."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths in the archive, below its one folder."""
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, check=True, capture_output=True, timeout=120)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        return [name.split("/", 1)[1] for name in opened.getnames()]


def test_no_source_is_there_twice(names: list[str]) -> None:
    assert [name for name in names if name.startswith(".links")] == [".links/spikec/py.typed"]
    assert len(names) == len(set(names))


def test_all_that_a_wheel_is_made_of_is_there(names: list[str]) -> None:
    for folder in ("compiler", "models", "runtime", "targets"):
        tracked = subprocess.run(
            ["git", "ls-files", folder], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.splitlines()
        assert tracked
        assert set(tracked) <= set(names)
    assert {"__init__.py", "__main__.py", "pyproject.toml", "README.md", "LICENSE"} <= set(names)
