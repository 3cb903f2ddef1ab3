"""Runs programs: slowly by definition, fast in batches, and on Lava; all three with the same integers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .execution import Execution
    from .lava import build_process
    from .program import Program
    from .program.storage import load_program
    from .samples import Samples
    from .scores import FloatScores, float_scores
    from .simulator import simulate

__all__ = [
    "Execution",
    "FloatScores",
    "Program",
    "Samples",
    "build_process",
    "float_scores",
    "load_program",
    "simulate",
]

# Imported when they are first asked for: the command line looks into this package for its help page.
_HOME = {
    "Execution": ".execution",
    "Program": ".program",
    "Samples": ".samples",
    "FloatScores": ".scores",
    "float_scores": ".scores",
    "build_process": ".lava",
    "load_program": ".program.storage",
    "simulate": ".simulator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spikec.runtime' has no attribute '{name}'")
    return getattr(import_module(_HOME[name], __name__), name)
