"""ONNX in, program out."""

from __future__ import annotations

from .compilation import Compiled, check_model, compile_model, with_agreement
from .options import CompileOptions
from .report import Report

__all__ = ["CompileOptions", "Compiled", "Report", "check_model", "compile_model", "with_agreement"]
