"""The conversion methods that ``spikec evaluate`` compares, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..runtime.encoding import encode
from ..runtime.progress import Report as Progress
from ..runtime.samples import Samples
from ..runtime.simulator import simulate
from ..targets.diagnostic import Diagnostic, UnusableInput
from .compilation import ModelReader, build_program, read_model
from .ledger import predictions_of
from .options import CompileOptions

Method = Callable[[CompileOptions], CompileOptions]


def _quantise_clip(options: CompileOptions) -> CompileOptions:
    """Initial potentials as the activation's levels and shift say (Xiong et al. 2025, Phase I; QCFS: theta/2)."""
    return replace(options, calibrate=False)


def _layer_wise_potential(options: CompileOptions) -> CompileOptions:
    """Signed, iterated layer-wise calibration of initial potentials (see ``calibrate-initial-potential``)."""
    return replace(options, calibrate=True)


def _exact_schedule(options: CompileOptions) -> CompileOptions:
    """Gated populations, whose counts are those of the quantised network (see docs/exact-schedule.md)."""
    return replace(options, schedule="exact")


METHODS: dict[str, Method] = {
    "qc-ann": _quantise_clip,
    "lmpc": _layer_wise_potential,
    "exact": _exact_schedule,
}


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Accuracy (0..1) of the integer program of one method at T steps, simulated."""

    method: str
    timesteps: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy of the float network as given, and of each method at each T."""

    ann_accuracy: float
    rows: tuple[EvaluationRow, ...]


def evaluate_model(
    model: str | Path,
    data: Samples,
    options: CompileOptions,
    timesteps: Sequence[int],
    methods: Sequence[str],
    *,
    readers: Mapping[str, ModelReader] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compile and simulate ``model`` by every method for every T on labelled ``data``, which no method sees."""
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        hint = f"choose from {', '.join(METHODS)}"
        raise UnusableInput(Diagnostic("E633", f"there is no method '{name}'", hint=hint) for name in unknown)
    read = read_model(model, output=options.output, readers=readers)
    ann = data.accuracy(predictions_of(read.network, data.as_float()))
    if ann is None:
        raise UnusableInput(
            Diagnostic("E605", "the data has no labels, so no accuracy can be measured", hint="add 'labels' to --data")
        )
    rows = []
    total = len(methods) * len(timesteps)
    for method in methods:
        for steps in timesteps:
            program = build_program(model, METHODS[method](replace(options, timesteps=steps)), readers=readers).program
            encoded, _ = encode(program.input, data.inputs)
            accuracy = data.accuracy(simulate(program, encoded).predictions)
            assert accuracy is not None, "labels were checked above"
            rows.append(EvaluationRow(method, steps, accuracy))
            if progress is not None:
                progress(len(rows), total)
    return Evaluation(ann, tuple(rows))
