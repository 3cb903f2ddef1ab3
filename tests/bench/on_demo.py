"""The simulator's line of ``spikec demo`` on a plain install, beside installs that have torch and numba as well."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .rows import SHIPPED, Row

_VERSIONS = "import sys, numpy; print('Python %d.%d,' % sys.version_info[:2], 'numpy', numpy.__version__)"


@dataclass(frozen=True, slots=True)
class Install:
    """The interpreter of an environment in which spikec is installed, and the name of what else is."""

    name: str
    python: Path


def measure_demo(folder: Path, installs: Sequence[Install], rounds: int) -> Iterator[Row]:
    """Rows of part ``demo``: seconds of the simulator for 1,000 images, as the demo's JSON gives them.

    Installs alternate. The notes of rows begin with their version of Python: ``Python 3.13, ...``.
    """
    found: list[list[float]] = [[] for _ in installs]
    for turn in range(1 + rounds):
        for install, values in zip(installs, found, strict=True):
            seconds = _simulators_line(install.python, folder / "demo")
            if turn:
                values.append(seconds)
    for install, values in zip(installs, found, strict=True):
        asked = [str(install.python), "-I", "-c", _VERSIONS]
        ended = subprocess.run(asked, check=True, capture_output=True, text=True)
        yield Row("demo", SHIPPED, install.name, "s", tuple(values), 4, 1000, note=ended.stdout.strip())


def _simulators_line(python: Path, artefact: Path) -> float:
    command = [str(python), "-I", "-m", "spikec", "demo", "--json", "--verify-samples", "1", "-o", str(artefact)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return float(json.loads(ended.stdout)["seconds"]["simulator"])
