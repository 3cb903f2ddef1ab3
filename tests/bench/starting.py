"""What it costs to start: processor time of whole processes, beside one that only imports numpy and onnx."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from spikec.models.shipped import shipped_model

from .measure import alternating
from .rows import SHIPPED, Row

IMPORTS = "import numpy, onnx"
HELP = "spikec --help"
CHECK = "spikec check"


def measure_starting(folder: Path, rounds: int) -> Iterator[Row]:
    """Rows of part ``starting``: the page of commands, and a check of the shipped network, as a user has them."""
    model = str(shipped_model())
    commands = {IMPORTS: ("-c", IMPORTS), HELP: ("-m", "spikec", "--help"), CHECK: ("-m", "spikec", "check", model)}
    # Compiled as an installer compiles, whatever this process was started with.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    calls = {name: partial(_run, arguments, environment) for name, arguments in commands.items()}
    for name, timings in alternating(calls, rounds, _processor_seconds_of_children).items():
        yield Row("starting", SHIPPED, name, "s of processor time", timings.wall)


def _run(arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, timeout=300, env=environment)


def _processor_seconds_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
