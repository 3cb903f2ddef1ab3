"""spikec: a trained quantise-and-clip network in, an exact integrate-and-fire network in chip integers out.

From a file to spikes:

    import spikec
    compiled = spikec.compile_model("net.onnx", spikec.CompileOptions(target="loihi2", timesteps=4))
    execution = spikec.simulate(compiled.program, images)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from .compiler import Compiled, CompileOptions, Report
    from .runtime import Execution, FloatScores, Program, Samples, build_process, float_scores, load_program
    from .targets.diagnostic import Diagnostic, UnusableInput

__all__ = [
    "CompileOptions",
    "Compiled",
    "Diagnostic",
    "Execution",
    "FloatScores",
    "Program",
    "Report",
    "Samples",
    "UnusableInput",
    "build_process",
    "check_model",
    "compile_model",
    "float_scores",
    "load_program",
    "simulate",
]


# Imported when they are first asked for: the guarded Lava process, which needs the runtime alone, starts sooner.
_HOME = {
    "CompileOptions": ".compiler",
    "Compiled": ".compiler",
    "Diagnostic": ".targets.diagnostic",
    "Execution": ".runtime",
    "FloatScores": ".runtime",
    "Program": ".runtime",
    "Report": ".compiler",
    "Samples": ".runtime",
    "UnusableInput": ".targets.diagnostic",
    "build_process": ".runtime",
    "float_scores": ".runtime",
    "load_program": ".runtime",
}


# pytest loads this file once more, under the name of the checkout's folder, which need not be one of a package.
if sys.version_info >= (3, 11) and __name__ == "spikec":
    # lava-nc was written for Python 3.10; whoever imports this package may import it on this Python too.
    from .runtime.lava_import import make_importable

    make_importable()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spikec' has no attribute '{name}'")
    return getattr(import_module(_HOME[name], __name__), name)


def compile_model(
    model: str | Path, options: CompileOptions | None = None, *, report: Callable[[str], None] | None = None
) -> Compiled:
    """Compile an ``.onnx`` file or a ``.pt`` checkpoint of ``spikec train``.

    ``report(stage)`` is called as each stage begins. Raises ``UnusableInput`` with every problem that makes model,
    options or calibration data unusable; a program that does not fit its target is a result, see ``report.verdict``.
    """
    from .compiler import compile_model as compile_onnx
    from .models.readers import MODEL_READERS

    return compile_onnx(model, options, readers=MODEL_READERS, report=report)


def check_model(
    model: str | Path, options: CompileOptions | None = None, *, report: Callable[[str], None] | None = None
) -> Report:
    """Report whether a model fits a target; arguments and errors as for ``compile_model``."""
    from .compiler import check_model as check_onnx
    from .models.readers import MODEL_READERS

    return check_onnx(model, options, readers=MODEL_READERS, report=report)


def simulate(program: Program, inputs: npt.NDArray[Any], *, record: bool = False) -> Execution:
    """Run ``inputs`` (N, *sample shape), uint8 (scaled by 1/255) or float, on the exact simulator.

    Inputs that change in time are frames (N, K * T, *sample shape), one for each of the program's T steps; they run as
    N * K samples, the K windows of each recording in a row. Values outside the program's input range are clipped.
    ``record`` keeps every spike train. Raises ``UnusableInput`` for inputs of another shape or type than the program
    takes, E027 for frames that are no whole number of windows.
    """
    import numpy as np

    from .runtime.encoding import encode
    from .runtime.samples import checked_samples
    from .runtime.simulator import simulate as simulate_encoded

    samples = checked_samples(np.asarray(inputs), None, program.input.sample_shape, integers=program.input.integers)
    encoded, _ = encode(program.input, samples.in_windows(program.timesteps).inputs)
    return simulate_encoded(program, encoded, record=record)
