"""Optional libraries: how to install one, and what to say of one that cannot be loaded."""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

from .diagnostic import Diagnostic, DiagnosticWarning


def install_command(*packages: str) -> str:
    """The command that installs ``packages`` for the Python that runs, whatever spikec itself was installed from."""
    python, pip = Path(sys.executable), shutil.which("pip")
    if pip is not None and Path(pip).parent == python.parent:
        return f"pip install {' '.join(packages)}"
    here = Path.cwd()
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    return f"{shown} -m pip install {' '.join(packages)}"


def broken_library(name: str, error: BaseException, code: str = "E644") -> Diagnostic:
    """E644, or W644 where the work goes on without it: a library that is installed and cannot be loaded."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    hint = f"install it again, or remove it; 'import {name}' in Python shows the whole error"
    return Diagnostic(code, f"{name} is installed and cannot be loaded ({reason})", hint=hint)


def warn_without(name: str, error: BaseException) -> None:
    """Warn, as W644, that a library which only makes work faster is done without."""
    warnings.warn(DiagnosticWarning(broken_library(name, error, "W644")), stacklevel=3)
