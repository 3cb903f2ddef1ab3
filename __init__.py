"""spikec: a trained quantise-and-clip network in, an exact integrate-and-fire network in chip integers out.

import spikec
compiled = spikec.compile_model("net.onnx", spikec.CompileOptions(target="loihi2", timesteps=4))
execution = spikec.simulate(compiled.program, images)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .compiler import Compiled, CompileOptions, Report
from .compiler import check_model as _check_model
from .compiler import compile_model as _compile_model
from .models.readers import MODEL_READERS
from .runtime import Execution, Program, Samples, build_process
from .runtime import simulate as _simulate
from .runtime.encoding import encode
from .targets.diagnostic import Diagnostic, UnusableInput

__all__ = [
    "CompileOptions",
    "Compiled",
    "Diagnostic",
    "Execution",
    "Program",
    "Report",
    "Samples",
    "UnusableInput",
    "build_process",
    "check_model",
    "compile_model",
    "simulate",
]


def compile_model(
    model: str | Path, options: CompileOptions | None = None, *, report: Callable[[str], None] | None = None
) -> Compiled:
    """Compile an ``.onnx`` file or a ``.pt`` checkpoint of ``spikec train``.

    ``report(stage)`` is called as each stage begins. Raises ``UnusableInput`` with every problem that makes model,
    options or calibration data unusable; a program that does not fit its target is a result, see ``report.verdict``.
    """
    return _compile_model(model, options, readers=MODEL_READERS, report=report)


def check_model(
    model: str | Path, options: CompileOptions | None = None, *, report: Callable[[str], None] | None = None
) -> Report:
    """Report whether a model fits a target; arguments and errors as for ``compile_model``."""
    return _check_model(model, options, readers=MODEL_READERS, report=report)


def simulate(program: Program, inputs: npt.NDArray[Any], *, record: bool = False) -> Execution:
    """Run ``inputs`` (N, *sample shape), uint8 (scaled by 1/255) or float, on the exact simulator.

    Values outside the program's input range are clipped. ``record`` keeps every spike train.
    """
    encoded, _ = encode(program.input, inputs)
    return _simulate(program, encoded, record=record)
