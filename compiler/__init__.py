"""ONNX in, program out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compilation import check_model, compile_model
    from .compiled import Compiled
    from .options import CompileOptions
    from .report import Report

__all__ = ["CompileOptions", "Compiled", "Report", "check_model", "compile_model"]

# Imported when they are first asked for: the command line looks into this package for its help page.
_HOME = {
    "CompileOptions": ".options",
    "Compiled": ".compiled",
    "Report": ".report",
    "check_model": ".compilation",
    "compile_model": ".compilation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spikec.compiler' has no attribute '{name}'")
    return getattr(import_module(_HOME[name], __name__), name)
