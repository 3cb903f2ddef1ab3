"""The simulator's line of ``spikec demo`` on a plain install, beside installs that have torch and numba as well."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from .rows import SHIPPED, Row

_VERSIONS = "import sys, numpy; print('Python %d.%d,' % sys.version_info[:2], 'numpy', numpy.__version__)"


def measure_demo(folder: Path, pythons: Mapping[str, Path], rounds: int) -> Iterator[Row]:
    """Rows of part ``demo``: seconds of the simulator for 1,000 images, as the demo's JSON gives them.

    ``pythons`` are interpreters of environments in which spikec is installed, by the name of the row; they alternate.
    """
    found: dict[str, list[float]] = {name: [] for name in pythons}
    for turn in range(1 + rounds):
        for name, python in pythons.items():
            seconds = _simulators_line(python, folder / "demo")
            if turn:
                found[name].append(seconds)
    for name, values in found.items():
        ended = subprocess.run([str(pythons[name]), "-I", "-c", _VERSIONS], check=True, capture_output=True, text=True)
        yield Row("demo", SHIPPED, name, "s", tuple(values), 4, 1000, note=ended.stdout.strip())


def _simulators_line(python: Path, artefact: Path) -> float:
    command = [str(python), "-I", "-m", "spikec", "demo", "--json", "--verify-samples", "1", "-o", str(artefact)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return float(json.loads(ended.stdout)["seconds"]["simulator"])
