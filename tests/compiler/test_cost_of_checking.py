"""What a check of the shipped network loads and costs, in processes of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from spikec.models.shipped import shipped_model

CHECK = "import spikec; report = spikec.check_model({model!r}); assert report.verdict"
COMPARED_WITH = "import numpy, onnx"
MOST_TIMES_THE_IMPORTS = 2.5
REPEATS = 5


def run(code: str, cache: Path) -> str:
    # Compiled as an installer compiles, however the suite itself was started.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = [sys.executable, "-c", code]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def cpu_seconds(code: str, cache: Path) -> float:
    """User and system time of a process that runs ``code``, the least of some."""
    spent = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(code, cache)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def test_a_check_loads_neither_torch_nor_what_draws_and_compiles(tmp_path: Path) -> None:
    heavy = ("torch", "numba", "scipy", "networkx", "matplotlib", "jinja2", "lava", "onnxruntime", "click", "rich")
    code = f"{CHECK.format(model=str(shipped_model()))}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(run(code, tmp_path)))
    assert loaded.isdisjoint(heavy)
    assert {"numpy", "onnx"} <= loaded


def test_a_check_costs_little_more_than_its_imports(tmp_path: Path) -> None:
    imports = cpu_seconds(COMPARED_WITH, tmp_path)
    check = cpu_seconds(CHECK.format(model=str(shipped_model())), tmp_path)
    assert check <= MOST_TIMES_THE_IMPORTS * imports
