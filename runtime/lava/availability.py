"""Whether Lava can run here; answers without importing it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import sys

from ...targets.diagnostic import refuse
from ...targets.records import dataclass

_PYTHON = (3, 10)


@dataclass(frozen=True, slots=True)
class Availability:
    """``available`` says whether the Lava backends can run; ``detail`` the version found or what is missing."""

    available: bool
    detail: str

    def __str__(self) -> str:
        return self.detail if self.available else f"not available: {self.detail}"


def availability() -> Availability:
    """Look for what the backends ``lava`` and ``lava-stock`` need: Linux, Python 3.10 and lava-nc."""
    if sys.platform != "linux":
        return Availability(False, f"the guard around Lava needs Linux, this is {sys.platform}")
    if sys.version_info[:2] != _PYTHON:
        return Availability(False, f"lava-nc runs on Python 3.10 only, this is {sys.version.split()[0]}")
    if importlib.util.find_spec("lava") is None or importlib.util.find_spec("lava.magma") is None:
        return Availability(False, "lava-nc is not installed")
    return Availability(True, f"lava-nc {importlib.metadata.version('lava-nc')}")


def require_lava() -> None:
    """Raise ``UnusableInput`` E501 where Lava cannot run; make it importable where it can."""
    found = availability()
    if not found.available:
        raise refuse(
            "E501",
            f"Lava cannot run here: {found.detail}",
            hint="install spikec under Python 3.10 on Linux, or use --backend simulator, which gives the same spikes",
        )
    if multiprocessing.get_start_method(allow_none=True) == "fork":
        # Lava sets this method as it is imported, and fails where a lock of numba's has settled on it before.
        multiprocessing.set_start_method(None, force=True)
