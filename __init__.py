"""spikec: a trained quantise-and-clip network in, an exact integrate-and-fire network in chip integers out.

From a network in torch, or the path of an ONNX file, to spikes:

    import spikec
    options = spikec.CompileOptions(target="loihi2", timesteps=4, calibration=images)
    compiled = spikec.compile_model(network, options)
    print(compiled.verify(images), compiled.report.text())
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from .compiler import Compiled, CompileOptions, Report
    from .compiler.evaluation.evaluation import Evaluation
    from .models.networks.activation import ClippedReLU, QuantiseClip
    from .runtime import Execution, FloatScores, Program, Samples, build_process, float_scores, load_program
    from .runtime.agreement import Agreement
    from .runtime.given_data import Data
    from .runtime.running import Run
    from .targets.diagnostic import Diagnostic, UnusableInput

__all__ = [
    "Agreement",
    "ClippedReLU",
    "CompileOptions",
    "Compiled",
    "Diagnostic",
    "Evaluation",
    "Execution",
    "FloatScores",
    "Program",
    "QuantiseClip",
    "Report",
    "Run",
    "Samples",
    "UnusableInput",
    "build_process",
    "check_model",
    "compile_model",
    "evaluate",
    "float_scores",
    "load_program",
    "simulate",
]


# Imported when they are first asked for: the guarded Lava process, which needs the runtime alone, starts sooner.
_HOME = {
    "Agreement": ".runtime.agreement",
    "ClippedReLU": ".models.networks.activation",
    "CompileOptions": ".compiler",
    "Compiled": ".compiler",
    "Diagnostic": ".targets.diagnostic",
    "Evaluation": ".compiler.evaluation.evaluation",
    "Execution": ".runtime",
    "FloatScores": ".runtime",
    "Program": ".runtime",
    "QuantiseClip": ".models.networks.activation",
    "Report": ".compiler",
    "Run": ".runtime.running",
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
    model: Any,
    options: CompileOptions | None = None,
    *,
    example: Any = None,
    report: Callable[[str], None] | None = None,
) -> Compiled:
    """Compile a ``torch.nn.Module``, an ``.onnx`` file, a ``.pt`` checkpoint of ``spikec train``, or a model of onnx.

    A module is called on ``example`` (N, *input shape), a tensor or an array; without it on calibration data that are
    given as arrays. It is exported in evaluation mode, and left as it was. ``report(stage)`` is called as each stage
    begins. Raises ``UnusableInput`` with every problem that makes model, options or calibration data unusable; a
    program that does not fit its target is a result, see ``report.verdict``.
    """
    from .compiler import compile_model as compile_source
    from .models.given_model import given_model
    from .models.readers import MODEL_READERS

    return compile_source(given_model(model, options, example), options, readers=MODEL_READERS, report=report)


def check_model(
    model: Any,
    options: CompileOptions | None = None,
    *,
    example: Any = None,
    report: Callable[[str], None] | None = None,
) -> Report:
    """Report whether a model fits a target; arguments and errors as for ``compile_model``."""
    from .compiler import check_model as check_source
    from .models.given_model import given_model
    from .models.readers import MODEL_READERS

    return check_source(given_model(model, options, example), options, readers=MODEL_READERS, report=report)


def evaluate(
    models: Any,
    data: Data,
    options: CompileOptions | None = None,
    *,
    timesteps: Sequence[int] = (1, 2, 4, 8),
    methods: Sequence[str] | str = ("qc-ann", "lmpc", "exact"),
    example: Any = None,
    limit: int | None = None,
    with_float: bool = False,
    against: str | None = None,
    journal: str | Path | None = None,
) -> Evaluation:
    """Measure what conversion methods are worth at each T, as ``spikec evaluate`` does.

    ``models`` is a model as ``compile_model`` takes it, or a list of several. ``data`` are labelled test data: a pair
    of inputs and labels, or a file; at most ``limit`` of them are taken, evenly spaced. ``options`` give target,
    calibration data, sizes and outputs. ``methods`` are names (``spikec methods`` lists them) or "all" that apply.
    Raises ``UnusableInput`` for models, data and methods that cannot be used.
    """
    from .compiler.evaluation.evaluate_given import evaluate_given
    from .models.given_model import given_model
    from .models.readers import MODEL_READERS

    several = models if isinstance(models, list | tuple) else (models,)
    return evaluate_given(
        [given_model(model, options, example) for model in several],
        data,
        options,
        timesteps,
        methods,
        limit=limit,
        with_float=with_float,
        against=against,
        journal=journal,
        readers=MODEL_READERS,
    )


def simulate(
    program: Program,
    inputs: npt.NDArray[Any],
    *,
    record: bool = False,
    threads: int | None = None,
    way: str | Mapping[str, str] = "auto",
) -> Execution:
    """Run ``inputs`` (N, *sample shape), uint8 (scaled by 1/255) or float, on the exact simulator.

    Inputs that change in time are frames (N, K * T, *sample shape), one for each of the program's T steps; they run as
    N * K samples, the K windows of each recording in a row. Values outside the program's input range are clipped.
    ``record`` keeps every spike train. ``threads`` is by default one for each core. ``way`` is how spikes meet weights:
    "events", "dense" or, by measured rates, "auto", for all layers or by the name of a layer; it changes no result.

    The first call makes the program ready to run; this is kept as long as ``program`` is, so that others only run.
    Raises ``UnusableInput`` for inputs of another shape or type than the program takes, E027 for frames that are no
    whole number of windows, E511 for threads and ways that there are not.
    """
    import numpy as np

    from .runtime.encoding import encode
    from .runtime.samples import checked_samples
    from .runtime.simulator import simulate as simulate_encoded

    samples = checked_samples(np.asarray(inputs), None, program.input.sample_shape, integers=program.input.integers)
    encoded, _ = encode(program.input, samples.in_windows(program.timesteps).inputs)
    return simulate_encoded(program, encoded, record=record, threads=threads, way=way)
