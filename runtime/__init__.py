"""Runs programs: slowly by definition, fast in batches, and on Lava; all three with the same integers."""

from __future__ import annotations

from .execution import Execution
from .lava import build_process
from .program import Program
from .program.storage import load_program
from .samples import Samples
from .simulator import simulate

__all__ = ["Execution", "Program", "Samples", "build_process", "load_program", "simulate"]
