"""Whether Lava can run here; answers without importing it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import warnings

from ...targets.diagnostic import Diagnostic, DiagnosticWarning, refuse
from ...targets.records import dataclass
from ..lava_import import LAVA_VERSION, needs_mending, unsettle_start_method

NEEDED = ("asteval", "networkx", "numpy", "scipy")
"""Packages that lava-nc imports, by which it is told to be whole."""

_SIMULATOR = "use --backend simulator, which gives the same spikes"
_INSTALL = f"'spikec doctor --install-lava' installs lava-nc {LAVA_VERSION}"


@dataclass(frozen=True, slots=True)
class Availability:
    """``available`` says whether the Lava backends can run; ``detail`` the version found or what is missing.

    ``code`` is that of the refusal where they cannot, ``hint`` what can be done about it.
    """

    available: bool
    detail: str
    code: str = "E501"
    hint: str = f"{_INSTALL}, or {_SIMULATOR}"

    def __str__(self) -> str:
        return self.detail if self.available else f"not available: {self.detail}"


def availability() -> Availability:
    """Look for what the backends ``lava`` and ``lava-stock`` need: Linux, and lava-nc with all that it imports."""
    if sys.platform != "linux":
        return Availability(False, f"the guard around Lava needs Linux, this is {sys.platform}", hint=_SIMULATOR)
    if _is_missing("lava") or _is_missing("lava.magma"):
        return Availability(False, "lava-nc is not installed")
    if missing := [package for package in NEEDED if _is_missing(package)]:
        return Availability(False, f"lava-nc is installed without {', '.join(missing)}")
    version = importlib.metadata.version("lava-nc")
    if needs_mending() and version != LAVA_VERSION:
        python = ".".join(map(str, sys.version_info[:2]))
        return Availability(False, f"on Python {python} it takes lava-nc {LAVA_VERSION}, this is {version}", "E655")
    return Availability(True, f"lava-nc {version}")


def _is_missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None


def require_lava() -> None:
    """Raise ``UnusableInput`` where Lava cannot run, E655 for its version, else E501; make it importable where it can.

    Warns W655 of another version than the one that was tried, where nothing tells that it could not run.
    """
    found = availability()
    if not found.available:
        raise refuse(found.code, f"Lava cannot run here: {found.detail}", hint=found.hint)
    if found.detail != f"lava-nc {LAVA_VERSION}":
        warnings.warn(DiagnosticWarning(_untried(found.detail.removeprefix("lava-nc "))), stacklevel=2)
    unsettle_start_method()


def _untried(version: str) -> Diagnostic:
    message = f"spikec was tried with lava-nc {LAVA_VERSION}, this is {version}"
    return Diagnostic("W655", message, hint="'spikec verify' tells whether it gives the same spikes")
