"""What a check of the shipped network loads, in its own process; ``tests/bench/run --only starting`` measures it."""

from __future__ import annotations

import json
import subprocess
import sys

from spikec.models.shipped import shipped_model

HEAVY = ("torch", "numba", "scipy", "networkx", "matplotlib", "jinja2", "lava", "onnxruntime", "click", "rich")


def test_a_check_loads_neither_torch_nor_what_draws_and_compiles() -> None:
    code = (
        f"import json, sys, spikec; report = spikec.check_model({str(shipped_model())!r}); assert report.verdict; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    loaded = set(json.loads(ran.stdout))
    assert loaded.isdisjoint(HEAVY)
    assert {"numpy", "onnx"} <= loaded
