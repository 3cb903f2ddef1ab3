"""Runs the check beside an exported graph in a guarded process of its own."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path

from ...targets.diagnostic import Diagnostic, UnusableInput, refuse
from ...targets.libraries import install_command
from ..guarded_script import run_script
from .graph import GRAPH, SAMPLES, SCRIPT

READERS = ("sinabs", "snntorch")
RESULTS = "results.json"
DEADLINE = 1800.0
"""Seconds; readers go through some thousand steps of a VGG-16 in that time."""


def check_files(folder: Path, deadline: float = DEADLINE) -> tuple[bool, list[str]]:
    """Whether all readers that are installed give the spike counts of the program in ``folder``, and what they said.

    Raises ``UnusableInput``: E764 where no reader is installed or this is no Linux, E762 where the check fails, E763 at
    the deadline.
    """
    if sys.platform != "linux":
        raise refuse("E764", f"the guard around readers of NIR needs Linux, this is {sys.platform}")
    if not any(importlib.util.find_spec(name) for name in READERS):
        hint = f"'{install_command(*READERS)}' installs them (extra: spikec[witness])"
        raise refuse("E764", "no reader of NIR is installed", hint=hint)
    with tempfile.TemporaryDirectory(prefix="spikec-nir-") as temporary:
        directory = Path(temporary)
        for name in (GRAPH, SAMPLES, SCRIPT):
            shutil.copy(folder / name, directory / name)
        ended = run_script(directory / SCRIPT, directory, deadline)
        if ended.expired:
            message = "the check of the NIR file was stopped at its deadline"
            raise UnusableInput(Diagnostic("E763", message, measured=deadline, limit=deadline, unit="s"))
        results = directory / RESULTS
        if not results.exists():
            hint = f"the last lines were:\n{ended.last_lines}"
            raise refuse("E762", f"the check of the NIR file failed (status {ended.status})", hint=hint)
        content = results.read_bytes()
        shutil.copy(results, folder / RESULTS)
    found = json.loads(content)
    return all(each["equal"] for each in found.values()), [each["said"] for each in found.values()]
