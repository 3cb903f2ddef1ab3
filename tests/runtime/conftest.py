"""Work for shards, in a module that other processes can import."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

WORK = '''
import os, signal, warnings
from pathlib import Path
from spikec.targets.diagnostic import Diagnostic, DiagnosticWarning, UnusableInput

def squared(given):
    return given * given

def threads(given):
    return os.environ["OMP_NUM_THREADS"], os.environ["NUMBA_NUM_THREADS"]

class Lethal:
    """Ends its process once for each of some numbers, or every time."""
    def __init__(self, folder, numbers, always=False):
        self.folder, self.numbers, self.always = folder, numbers, always
    def __call__(self, given):
        marker = Path(self.folder) / str(given)
        if given in self.numbers and (self.always or not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return given * given

def refusing(given):
    warnings.warn(DiagnosticWarning(Diagnostic("W644", f"slow {given}", hint="install it")))
    if given:
        raise UnusableInput([Diagnostic("E601", "one"), Diagnostic("E602", "two")])

def failing(given):
    raise ZeroDivisionError("by nought")
'''


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that workers can import too."""
    (tmp_path / "work_of_shards.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("work_of_shards", None)
    return importlib.import_module("work_of_shards")
